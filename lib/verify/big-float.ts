import { bitLength, type Rational } from './rational.ts';

/** m · 2^e. Zero is m = 0. */
export interface BigFloat {
  m: bigint;
  e: number;
}

export const FLOAT_ZERO: BigFloat = { m: 0n, e: 0 };

/** Thrown where an operation has no real value, or none that is worth computing; callers turn it into "undefined". */
export const NO_VALUE = Symbol('no value');

const MAX_EXPONENT = 2 ** 40;

export function noValue(): never {
  throw NO_VALUE;
}

/** Drops the bits beyond `bits`, towards minus infinity: an error below one unit in the last place. */
export function roundTo(bits: number, m: bigint, e: number): BigFloat {
  if (m === 0n) return FLOAT_ZERO;
  if (Math.abs(e) > MAX_EXPONENT) noValue();
  const excess = bitLength(m) - bits;
  return excess > 0 ? { m: m >> BigInt(excess), e: e + excess } : { m, e };
}

/** The exponent of the leading bit: 2^(order-1) ≤ |a| < 2^order; -Infinity for 0. */
export function order(a: BigFloat): number {
  return a.m === 0n ? Number.NEGATIVE_INFINITY : bitLength(a.m) + a.e;
}

export function negateFloat(a: BigFloat): BigFloat {
  return { m: -a.m, e: a.e };
}

export function addFloats(bits: number, a: BigFloat, b: BigFloat): BigFloat {
  if (a.m === 0n) return b;
  if (b.m === 0n) return a;
  // A summand below the other's last bit changes nothing, and aligning it could cost any amount of memory.
  if (order(a) - order(b) > 2 * bits + 64) return a;
  if (order(b) - order(a) > 2 * bits + 64) return b;
  const e = Math.min(a.e, b.e);
  return roundTo(bits, (a.m << BigInt(a.e - e)) + (b.m << BigInt(b.e - e)), e);
}

export function multiplyFloats(bits: number, a: BigFloat, b: BigFloat): BigFloat {
  return roundTo(bits, a.m * b.m, a.e + b.e);
}

export function divideFloats(bits: number, a: BigFloat, b: BigFloat): BigFloat {
  if (b.m === 0n) noValue();
  const shift = Math.max(0, bits + 2 + bitLength(b.m) - bitLength(a.m));
  return roundTo(bits, (a.m << BigInt(shift)) / b.m, a.e - b.e - shift);
}

export function floatOfRational(bits: number, a: Rational): BigFloat {
  return divideFloats(bits, { m: a.num, e: 0 }, { m: a.den, e: 0 });
}

/** As a whole number of units of 2^-fraction. */
export function toFixed(a: BigFloat, fraction: number): bigint {
  const shift = a.e + fraction;
  if (shift > 4 * fraction + 4096) noValue();
  return shift >= 0 ? a.m << BigInt(shift) : a.m >> BigInt(-shift);
}

export function fromFixed(bits: number, m: bigint, fraction: number): BigFloat {
  return roundTo(bits, m, -fraction);
}

export function compareFloats(a: BigFloat, b: BigFloat): number {
  if (a.m === b.m && a.e === b.e) return 0;
  const [x, y] = [order(a), order(b)];
  const [s, t] = [Math.sign(Number(a.m)), Math.sign(Number(b.m))];
  if (s !== t) return s - t;
  if (x !== y) return s * (x - y);
  const e = Math.min(a.e, b.e);
  const difference = (a.m << BigInt(a.e - e)) - (b.m << BigInt(b.e - e));
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}
