import type { Rational } from './exact-rational.ts';
import * as exact from './exact-rational.ts';
import type { NumericEquation } from './find-equations.ts';

export type EquationTruth =
  | 'true'
  | 'false'
  /** Rounded, misused or trivial: evidence for nothing. */
  | 'undecided';

export interface CheckEquationOptions {
  /** Both sides are compared modulo this number. */
  modulus: bigint | null;
  /** Relative error up to which `≈` holds; ten times as much is needed to call it false. */
  tolerance: Rational;
}

/** Share by which a calculation with decimals may miss "=" before it stops looking like rounding. */
const ROUNDING_SHARE: Rational = { n: 1n, d: 100n };

/** Whether an equation holds, exactly for "=", within the tolerance for "≈". */
export function checkEquation(equation: NumericEquation, options: CheckEquationOptions): EquationTruth {
  const { left, right } = equation;
  const equal = isEqual(left.value, right.value, options.modulus);
  const bare = !left.compound && !right.compound;
  if (equal) {
    // 15 = 2 modulo 13 says something, 7 = 7 nothing.
    const trivial = equation.identical || (bare && exact.compare(left.value, right.value) === 0);
    return trivial ? 'undecided' : 'true';
  }
  const difference = exact.subtract(left.value, right.value);
  if (bare || difference === null) return 'undecided'; // "0 = 5" ends a proof by contradiction
  const error = exact.magnitude(difference);
  if (equation.relation === 'approximate') return checkApproximation(equation, error, options.tolerance);
  if (!equation.refutable || isRounding(equation, error)) return 'undecided';
  return 'false';
}

function isEqual(a: Rational, b: Rational, modulus: bigint | null): boolean {
  if (exact.compare(a, b) === 0) return true;
  return modulus !== null && exact.equalModulo(a, b, modulus) === true;
}

function checkApproximation(equation: NumericEquation, error: Rational, tolerance: Rational): EquationTruth {
  if (withinShare(equation, error, tolerance) || withinLastDigit(equation, error)) return 'true';
  const clearly = !withinShare(equation, error, { n: tolerance.n * 10n, d: tolerance.d });
  return clearly && equation.refutable ? 'false' : 'undecided';
}

/** "1/3 = 0.33" and "10/3 = 3" are rounding written with the wrong sign: neither confirmed nor refuted. */
function isRounding(equation: NumericEquation, error: Rational): boolean {
  const { left, right } = equation;
  const fraction = left.value.d !== 1n || right.value.d !== 1n;
  if (fraction && withinLastDigit(equation, error)) return true;
  return (left.hasDecimal || right.hasDecimal) && withinShare(equation, error, ROUNDING_SHARE);
}

/** Off by less than one unit in the last digit of the side that is a bare number. */
function withinLastDigit({ left, right }: NumericEquation, error: Rational): boolean {
  const digits = right.literalDigits ?? left.literalDigits;
  return digits !== null && exact.compare(error, { n: 1n, d: 10n ** BigInt(digits) }) < 0;
}

function withinShare({ left, right }: NumericEquation, error: Rational, share: Rational): boolean {
  const a = exact.magnitude(left.value);
  const b = exact.magnitude(right.value);
  const larger = exact.compare(a, b) > 0 ? a : b;
  // Multiplied out by hand: the bounded arithmetic could refuse the product.
  return error.n * larger.d * share.d <= larger.n * share.n * error.d;
}
