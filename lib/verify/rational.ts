/** An exact rational in lowest terms; the denominator is positive. */
export interface Rational {
  num: bigint;
  den: bigint;
}

export const ZERO: Rational = { num: 0n, den: 1n };
export const ONE: Rational = { num: 1n, den: 1n };

/** `den` must not be 0. */
export function rational(num: bigint, den = 1n): Rational {
  if (den === 1n) return { num, den };
  const sign = den < 0n ? -1n : 1n;
  const divisor = gcd(num < 0n ? -num : num, den < 0n ? -den : den);
  return { num: (sign * num) / divisor, den: (sign * den) / divisor };
}

export function rationalsEqual(a: Rational, b: Rational): boolean {
  return a.num === b.num && a.den === b.den;
}

/** Negative, 0 or positive as a is below, equal to or above b. */
export function compareRationals(a: Rational, b: Rational): number {
  const difference = a.num * b.den - b.num * a.den;
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

export function negateRational(a: Rational): Rational {
  return { num: -a.num, den: a.den };
}

export function addRationals(a: Rational, b: Rational): Rational {
  return rational(a.num * b.den + b.num * a.den, a.den * b.den);
}

export function multiplyRationals(a: Rational, b: Rational): Rational {
  return rational(a.num * b.num, a.den * b.den);
}

/** Null where b is 0. */
export function divideRationals(a: Rational, b: Rational): Rational | null {
  return b.num === 0n ? null : rational(a.num * b.den, a.den * b.num);
}

/** The exact n-th root of a non-negative rational, or null where it is irrational. */
export function exactRoot(a: Rational, n: number): Rational | null {
  if (a.num < 0n) return null;
  const num = integerRoot(a.num, n);
  const den = integerRoot(a.den, n);
  return num ** BigInt(n) === a.num && den ** BigInt(n) === a.den ? { num, den } : null;
}

/** The largest whole number whose n-th power is at most `a`, by Newton's method from above. */
export function integerRoot(a: bigint, n: number): bigint {
  if (a < 2n) return a;
  const degree = BigInt(n);
  let x = 1n << BigInt(Math.ceil(bitLength(a) / n));
  for (;;) {
    const next = ((degree - 1n) * x + a / x ** (degree - 1n)) / degree;
    if (next >= x) return x;
    x = next;
  }
}

/** Bits of the magnitude; 0 for 0. */
export function bitLength(n: bigint): number {
  const hex = (n < 0n ? -n : n).toString(16);
  return n === 0n ? 0 : hex.length * 4 - Math.clz32(Number.parseInt(hex[0]!, 16)) + 28;
}

function gcd(a: bigint, b: bigint): bigint {
  let x = a;
  let y = b;
  while (y !== 0n) [x, y] = [y, x % y];
  return x === 0n ? 1n : x;
}
