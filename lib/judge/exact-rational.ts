/** An exact fraction in lowest terms, denominator positive. */
export interface Rational {
  n: bigint;
  d: bigint;
}

/** Numbers beyond this many bits are not worth checking; text that builds them is refused instead of computed. */
const MAX_BITS = 4096;
const LIMIT = 1n << BigInt(MAX_BITS);

/** Null where the denominator is 0 or the number is too large. */
export function rational(n: bigint, d = 1n): Rational | null {
  if (d === 0n || abs(n) >= LIMIT || abs(d) >= LIMIT) return null;
  if (d === 1n) return { n, d };
  const divisor = gcd(abs(n), abs(d));
  const sign = d < 0n ? -1n : 1n;
  return { n: (sign * n) / divisor, d: (sign * d) / divisor };
}

export function add(a: Rational, b: Rational): Rational | null {
  return rational(a.n * b.d + b.n * a.d, a.d * b.d);
}

export function subtract(a: Rational, b: Rational): Rational | null {
  return rational(a.n * b.d - b.n * a.d, a.d * b.d);
}

export function multiply(a: Rational, b: Rational): Rational | null {
  return rational(a.n * b.n, a.d * b.d);
}

export function divide(a: Rational, b: Rational): Rational | null {
  return rational(a.n * b.d, a.d * b.n);
}

/** Integer powers only; 0^0 and results beyond the bound give null. The size is known before anything is computed. */
export function power(base: Rational, exponent: Rational): Rational | null {
  if (exponent.d !== 1n || abs(exponent.n) > BigInt(MAX_BITS)) return null;
  if (base.n === 0n) return exponent.n > 0n ? base : null;
  const e = Number(abs(exponent.n));
  const bits = Math.max(abs(base.n).toString(2).length, base.d.toString(2).length);
  const unit = base.d === 1n && abs(base.n) === 1n;
  if (!unit && (bits - 1) * e > MAX_BITS) return null;
  const n = base.n ** BigInt(e);
  const d = base.d ** BigInt(e);
  return exponent.n < 0n ? rational(d, n) : rational(n, d);
}

/** n! for 0 ≤ n ≤ 300. */
export function factorial(a: Rational): Rational | null {
  if (a.d !== 1n || a.n < 0n || a.n > 300n) return null;
  let product = 1n;
  for (let i = 2n; i <= a.n; i++) product *= i;
  return rational(product);
}

/** n choose k for 0 ≤ n ≤ 1000; 0 where k > n. */
export function binomial(a: Rational, b: Rational): Rational | null {
  if (a.d !== 1n || b.d !== 1n || a.n < 0n || a.n > 1000n || b.n < 0n) return null;
  if (b.n > a.n) return rational(0n);
  const k = b.n > a.n - b.n ? a.n - b.n : b.n;
  let product = 1n;
  for (let i = 1n; i <= k; i++) product = (product * (a.n - k + i)) / i;
  return rational(product);
}

/** The exact square root, or null where it is irrational. */
export function squareRoot(a: Rational): Rational | null {
  if (a.n < 0n) return null;
  const n = integerRoot(a.n);
  const d = integerRoot(a.d);
  return n * n === a.n && d * d === a.d ? rational(n, d) : null;
}

/** 1, 0 or −1 as a is above, equal to or below b. */
export function compare(a: Rational, b: Rational): number {
  const left = a.n * b.d;
  const right = b.n * a.d;
  return left === right ? 0 : left < right ? -1 : 1;
}

/** Equality modulo m; null where a denominator has no inverse. */
export function equalModulo(a: Rational, b: Rational, m: bigint): boolean | null {
  if (gcd(a.d, m) !== 1n || gcd(b.d, m) !== 1n) return null;
  return (a.n * b.d - b.n * a.d) % m === 0n;
}

export function magnitude(a: Rational): Rational {
  return { n: abs(a.n), d: a.d };
}

function abs(n: bigint): bigint {
  return n < 0n ? -n : n;
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** Newton's method from above. */
function integerRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt(Math.ceil(n.toString(2).length / 2));
  for (;;) {
    const next = (x + n / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}
