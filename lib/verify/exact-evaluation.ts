import type { Expression } from './expression.ts';
import {
  addRationals,
  bitLength,
  compareRationals,
  divideRationals,
  exactRoot,
  multiplyRationals,
  negateRational,
  ONE,
  type Rational,
  rational,
  ZERO,
} from './rational.ts';

/** A complex number with rational parts. */
export interface Gaussian {
  re: Rational;
  im: Rational;
}

/** Numbers beyond this are not computed exactly. */
const MAX_BITS = 1 << 15;
const MAX_FACTORIAL = 3000n;
/** Bounds the whole evaluation: the sum over operations of the squared size of their result, in bits. */
const MAX_EFFORT = 4e9;

/** Thrown inside the evaluation only: irrational, undefined or too large. */
const NOT_EXACT = Symbol('not exact');

/**
 * The exact value at a point, or null where the value or a part of it is irrational, undefined or too large.
 * `point` holds a rational for every symbol.
 */
export function evaluateExactly(
  expression: Expression,
  point: ReadonlyMap<string, Rational>,
): Gaussian | null {
  try {
    return new ExactEvaluation(point).value(expression);
  } catch (reason) {
    if (reason === NOT_EXACT) return null;
    throw reason;
  }
}

class ExactEvaluation {
  readonly #point: ReadonlyMap<string, Rational>;
  #effort = 0;

  constructor(point: ReadonlyMap<string, Rational>) {
    this.#point = point;
  }

  value(expression: Expression): Gaussian {
    if (expression.kind === 'number') return real(expression.value);
    if (expression.kind === 'symbol') return real(this.#point.get(expression.name) ?? notExact());
    if (expression.kind === 'constant') return expression.name === 'i' ? { re: ZERO, im: ONE } : notExact();
    const operands = expression.operands.map((operand) => this.value(operand));
    const result = this.#apply(expression.operation, operands);
    for (const part of [result.re, result.im]) this.#spend(bitLength(part.num) + bitLength(part.den));
    return result;
  }

  #spend(bits: number): void {
    this.#effort += bits * bits;
    if (bits > 2 * MAX_BITS || this.#effort > MAX_EFFORT) notExact();
  }

  #apply(operation: string, operands: readonly Gaussian[]): Gaussian {
    const [a, b] = operands as [Gaussian, Gaussian];
    switch (operation) {
      case 'add':
        return operands.reduce(add);
      case 'negate':
        return { re: negateRational(a.re), im: negateRational(a.im) };
      case 'multiply':
        return multiply(a, b);
      case 'divide':
        return divide(a, b);
      case 'power':
        return this.#power(a, realPart(b));
      case 'root':
        return root(a, realPart(b));
      case 'factorial':
        return real(factorial(whole(a)));
      case 'binomial':
        return real(binomial(whole(a), whole(b)));
      case 'abs':
        return real(magnitude(realPart(a)));
      case 'floor':
        return real(floor(realPart(a)));
      case 'ceil':
        return real(negateRational(floor(negateRational(realPart(a)))));
      case 'ln':
        return rationalIsOne(a) ? real(ZERO) : notExact();
      default:
        return notExact();
    }
  }

  #power(base: Gaussian, exponent: Rational): Gaussian {
    if (exponent.den !== 1n) return fractionalPower(base, exponent);
    const times = exponent.num < 0n ? -exponent.num : exponent.num;
    if (times === 0n) return isZero(base) ? notExact() : real(ONE);
    const size = Math.max(...[base.re, base.im].map(({ num, den }) => bitLength(num) + bitLength(den) - 2));
    if (times > 1n << 20n || size * Number(times) > MAX_BITS) notExact();
    let result = real(ONE);
    let square = base;
    for (let left = times; left > 0n; left >>= 1n) {
      if (left & 1n) result = multiply(result, square);
      if (left > 1n) square = multiply(square, square);
    }
    return exponent.num < 0n ? divide(real(ONE), result) : result;
  }
}

function notExact(): never {
  throw NOT_EXACT;
}

const real = (re: Rational): Gaussian => ({ re, im: ZERO });
const isZero = (a: Gaussian): boolean => a.re.num === 0n && a.im.num === 0n;
const rationalIsOne = (a: Gaussian): boolean => a.im.num === 0n && a.re.num === a.re.den;

function realPart(a: Gaussian): Rational {
  return a.im.num === 0n ? a.re : notExact();
}

function whole(a: Gaussian): bigint {
  const { num, den } = realPart(a);
  return den === 1n ? num : notExact();
}

function add(a: Gaussian, b: Gaussian): Gaussian {
  return { re: addRationals(a.re, b.re), im: addRationals(a.im, b.im) };
}

function multiply(a: Gaussian, b: Gaussian): Gaussian {
  if (a.im.num === 0n && b.im.num === 0n) return real(multiplyRationals(a.re, b.re));
  return {
    re: addRationals(multiplyRationals(a.re, b.re), negateRational(multiplyRationals(a.im, b.im))),
    im: addRationals(multiplyRationals(a.re, b.im), multiplyRationals(a.im, b.re)),
  };
}

function divide(a: Gaussian, b: Gaussian): Gaussian {
  if (b.im.num === 0n) {
    return { re: divideRationals(a.re, b.re) ?? notExact(), im: divideRationals(a.im, b.re) ?? notExact() };
  }
  const conjugate = { re: b.re, im: negateRational(b.im) };
  return divide(multiply(a, conjugate), multiply(b, conjugate));
}

function magnitude(a: Rational): Rational {
  return { num: a.num < 0n ? -a.num : a.num, den: a.den };
}

function floor(a: Rational): Rational {
  const quotient = a.num / a.den;
  return rational(a.num < 0n && quotient * a.den !== a.num ? quotient - 1n : quotient);
}

/** Real roots: √ of a negative number is imaginary, odd roots of negative numbers are negative. */
function root(a: Gaussian, degree: Rational): Gaussian {
  const n = Number(degree.num);
  if (degree.den !== 1n || n < 2 || n > 64) notExact();
  const radicand = realPart(a);
  const positive = exactRoot(magnitude(radicand), n) ?? notExact();
  if (radicand.num >= 0n) return real(positive);
  if (n % 2 === 1) return real(negateRational(positive));
  return n === 2 ? { re: ZERO, im: positive } : notExact();
}

function fractionalPower(base: Gaussian, exponent: Rational): Gaussian {
  const radicand = realPart(base);
  const times = Number(exponent.num);
  // (-8)^{1/3} is -2 to some and complex to others.
  if (radicand.num <= 0n || exponent.den > 64n || Math.abs(times) > 64) notExact();
  const rooted = exactRoot(radicand, Number(exponent.den)) ?? notExact();
  const power = rational(rooted.num ** BigInt(Math.abs(times)), rooted.den ** BigInt(Math.abs(times)));
  return real(times < 0 ? rational(power.den, power.num) : power);
}

function factorial(n: bigint): Rational {
  if (n < 0n || n > MAX_FACTORIAL) notExact();
  let product = 1n;
  for (let i = 2n; i <= n; i++) product *= i;
  return { num: product, den: 1n };
}

function binomial(n: bigint, k: bigint): Rational {
  if (n < 0n || k < 0n || n > MAX_FACTORIAL) notExact();
  if (k > n) return ZERO;
  const steps = k > n - k ? n - k : k;
  let product = 1n;
  for (let i = 1n; i <= steps; i++) product = (product * (n - steps + i)) / i;
  return { num: product, den: 1n };
}

/** For bounds and endpoints: the rational of a real exact value, else null. */
export function asRational(value: Gaussian | null): Rational | null {
  return value !== null && value.im.num === 0n ? value.re : null;
}

export function gaussiansEqual(a: Gaussian, b: Gaussian): boolean {
  return compareRationals(a.re, b.re) === 0 && compareRationals(a.im, b.im) === 0;
}
