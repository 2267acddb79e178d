import {
  addFloats,
  type BigFloat,
  compareFloats,
  divideFloats,
  FLOAT_ZERO,
  fromFixed,
  multiplyFloats,
  negateFloat,
  noValue,
  order,
  roundTo,
  toFixed,
} from './big-float.ts';
import { bitLength, integerRoot } from './rational.ts';

/** Bits beyond the asked ones in which series are summed. */
const GUARD = 64;
const FLOAT_ONE: BigFloat = { m: 1n, e: 0 };

/** Whole numbers of 2^-fraction, computed once per precision. */
const cachedPi = new Map<number, bigint>();
const cachedLn2 = new Map<number, bigint>();

function fixedPi(fraction: number): bigint {
  const known = cachedPi.get(fraction);
  if (known !== undefined) return known;
  // Machin: π = 16 atan(1/5) − 4 atan(1/239).
  const pi =
    (16n * inverseSeries(5n, fraction + 16, -1n) - 4n * inverseSeries(239n, fraction + 16, -1n)) >> 16n;
  cachedPi.set(fraction, pi);
  return pi;
}

function fixedLn2(fraction: number): bigint {
  const known = cachedLn2.get(fraction);
  if (known !== undefined) return known;
  const ln2 = (2n * inverseSeries(3n, fraction + 16, 1n)) >> 16n; // ln 2 = 2 atanh(1/3)
  cachedLn2.set(fraction, ln2);
  return ln2;
}

/** atanh(1/x) for sign 1, atan(1/x) for sign -1. */
function inverseSeries(x: bigint, fraction: number, sign: bigint): bigint {
  let power = (1n << BigInt(fraction)) / x;
  let total = 0n;
  for (let k = 1n, s = 1n; power !== 0n; k += 2n, s *= sign) {
    total += (s * power) / k;
    power /= x * x;
  }
  return total;
}

/** The odd series Σ sign^k x^(2k+1)/(2k+1) for |x| well below 1: atanh or atan. */
function oddSeries(x: bigint, fraction: number, sign: bigint): bigint {
  const shift = BigInt(fraction);
  const square = (x * x) >> shift;
  let power = x;
  let total = 0n;
  // Shifting rounds down, so a negative power stops at -1.
  for (let k = 1n, s = 1n; power !== 0n && power !== -1n; k += 2n, s *= sign) {
    total += (s * power) / k;
    power = (power * square) >> shift;
  }
  return total;
}

export function floatPi(bits: number): BigFloat {
  return fromFixed(bits, fixedPi(bits + GUARD), bits + GUARD);
}

export function floatSqrt(bits: number, a: BigFloat): BigFloat {
  return floatRoot(bits, a, 2);
}

/** The n-th root of a number that is not negative. */
export function floatRoot(bits: number, a: BigFloat, n: number): BigFloat {
  if (a.m < 0n) noValue();
  if (a.m === 0n) return FLOAT_ZERO;
  let shift = Math.max(0, n * (bits + 2) - bitLength(a.m));
  shift += (((a.e - shift) % n) + n) % n; // so that the exponent is a multiple of n
  return roundTo(bits, integerRoot(a.m << BigInt(shift), n), (a.e - shift) / n);
}

const HALVINGS = 12;

export function floatExp(bits: number, a: BigFloat): BigFloat {
  if (order(a) > 24) noValue();
  const fraction = bits + GUARD + 32;
  const ln2 = fixedLn2(fraction);
  const x = toFixed(a, fraction);
  const k = x / ln2;
  const r = (x - k * ln2) >> BigInt(HALVINGS);
  const shift = BigInt(fraction);
  let term = 1n << shift;
  let total = term;
  for (let i = 1n; term !== 0n && term !== -1n; i++) {
    term = (term * r) >> shift;
    term /= i;
    total += term;
  }
  for (let i = 0; i < HALVINGS; i++) total = (total * total) >> shift;
  return roundTo(bits, total, Number(k) - fraction);
}

/** The natural logarithm of a positive number. */
export function floatLn(bits: number, a: BigFloat): BigFloat {
  if (a.m <= 0n) noValue();
  const fraction = bits + GUARD;
  const unit = 1n << BigInt(fraction);
  let k = order(a);
  let y = toFixed({ m: a.m, e: a.e - k }, fraction); // in [1/2, 1)
  if (y * 4n < unit * 3n) {
    y *= 2n;
    k -= 1;
  }
  const z = ((y - unit) << BigInt(fraction)) / (y + unit);
  return fromFixed(bits, 2n * oddSeries(z, fraction, 1n) + BigInt(k) * fixedLn2(fraction), fraction);
}

export function floatSinCos(bits: number, a: BigFloat): { sin: BigFloat; cos: BigFloat } {
  if (order(a) > 256) noValue();
  const fraction = bits + GUARD + Math.max(0, order(a) === Number.NEGATIVE_INFINITY ? 0 : order(a));
  const half = fixedPi(fraction) / 2n;
  const x = toFixed(a, fraction);
  const quarter = x / half - (x < 0n ? 1n : 0n);
  const r = x - quarter * half;
  const [s, c] = sinCosSeries(r, fraction);
  const turns = Number(((quarter % 4n) + 4n) % 4n);
  const sin = [s, c, -s, -c][turns]!;
  const cos = [c, -s, -c, s][turns]!;
  return { sin: fromFixed(bits, sin, fraction), cos: fromFixed(bits, cos, fraction) };
}

/** For 0 ≤ r ≤ π/2. */
function sinCosSeries(r: bigint, fraction: number): [bigint, bigint] {
  const shift = BigInt(fraction);
  const sums: [bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n];
  let term = 1n << shift;
  for (let i = 0; term !== 0n; i++) {
    sums[i % 4]! += term;
    term = ((term * r) >> shift) / BigInt(i + 1);
  }
  return [sums[1] - sums[3], sums[0] - sums[2]];
}

export function floatAtan(bits: number, a: BigFloat): BigFloat {
  if (a.m < 0n) return negateFloat(floatAtan(bits, negateFloat(a)));
  if (a.m === 0n) return FLOAT_ZERO;
  const work = bits + GUARD;
  if (compareFloats(a, FLOAT_ONE) > 0) {
    const quarter = { m: floatPi(work).m, e: floatPi(work).e - 1 };
    return addFloats(bits, quarter, negateFloat(floatAtan(work, divideFloats(work, FLOAT_ONE, a))));
  }
  // atan x = 2 atan(x / (1 + √(1 + x²))), thrice, brings x below 1/10.
  let x = a;
  for (let i = 0; i < 3; i++) {
    const hypotenuse = floatSqrt(work, addFloats(work, FLOAT_ONE, multiplyFloats(work, x, x)));
    x = divideFloats(work, x, addFloats(work, FLOAT_ONE, hypotenuse));
  }
  const fraction = work + 32;
  return fromFixed(bits, 8n * oddSeries(toFixed(x, fraction), fraction, -1n), fraction);
}
