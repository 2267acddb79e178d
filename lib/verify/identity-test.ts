import { type Random, randomInteger, seededRandom } from '../random.ts';
import { order } from './big-float.ts';
import { addComplex, type ComplexFloat, complexOrder, negateComplex } from './complex-float.ts';
import { evaluateExactly, gaussiansEqual } from './exact-evaluation.ts';
import { countsSymbols, type Expression, hasBareLog, symbolsOf } from './expression.ts';
import { type EvaluationContext, evaluateNumerically } from './numeric-evaluation.ts';
import { type Rational, rational } from './rational.ts';

/**
 * exact: equal as exact rationals at every point tried, so equal up to the chance of hitting a root each time
 * (Schwartz 1980, Zippel 1979). digits: equal to more than 100 digits at every point tried. different: a point
 * where both have values and these differ. unknown: too few points where both have values.
 */
export type IdentityResult = 'exact' | 'digits' | 'different' | 'unknown';

const POINTS = 6;
const TRIES = 24;
const BITS = 192;

/** Compares two expressions at random rational points. The work is bounded by the size of the expressions. */
export function testIdentity(a: Expression, b: Expression): IdentityResult {
  if (!hasBareLog(a) && !hasBareLog(b)) return testWith(a, b, 'natural');
  const natural = testWith(a, b, 'natural');
  return natural === testWith(a, b, 'decimal') ? natural : 'unknown';
}

type PointResult = 'exact' | 'digits' | 'different' | 'undefined' | 'unresolved';

function testWith(a: Expression, b: Expression, bareLog: 'natural' | 'decimal'): IdentityResult {
  const names = [...symbolsOf(b, symbolsOf(a))].sort();
  if (names.length === 0) {
    const result = compareAt(a, b, new Map(), bareLog);
    return result === 'undefined' || result === 'unresolved' ? 'unknown' : result;
  }
  if (countsSymbols(a) || countsSymbols(b)) return sample(a, b, names, bareLog, randomWhole);
  // A difference must show where all symbols are positive, because answers often assume as much (√x² = x).
  const positive = sample(a, b, names, bareLog, (random) => randomPositive(random));
  if (positive === 'different' || positive === 'unknown') return positive;
  const signed = sample(a, b, names, bareLog, (random) => {
    const size = randomPositive(random);
    return random() < 0.5 ? size : rational(-size.num, size.den);
  });
  return signed === 'different' ? 'unknown' : signed === 'unknown' ? positive : weaker(positive, signed);
}

const weaker = (a: IdentityResult, b: IdentityResult): IdentityResult => (a === 'digits' ? a : b);

function sample(
  a: Expression,
  b: Expression,
  names: readonly string[],
  bareLog: 'natural' | 'decimal',
  draw: (random: Random) => Rational,
): IdentityResult {
  // Fixed, so that a verdict is the same on every run.
  const random = seededRandom(0x1d);
  let agreed = 0;
  let exact = true;
  for (let tried = 0; tried < TRIES && agreed < POINTS; tried++) {
    const point = new Map(names.map((name) => [name, draw(random)]));
    const result = compareAt(a, b, point, bareLog);
    if (result === 'different') return 'different';
    if (result === 'unresolved') return 'unknown';
    if (result === 'undefined') continue;
    exact &&= result === 'exact';
    agreed++;
  }
  return agreed < POINTS ? 'unknown' : exact ? 'exact' : 'digits';
}

/** In [5, 204]: beyond what factorials of answers subtract. */
function randomWhole(random: Random): Rational {
  return rational(BigInt(5 + randomInteger(random, 200)));
}

/** In (0, 10), mostly between 0 and 3, where logarithms, roots and arcsines of answers have values. */
export function randomPositive(random: Random): Rational {
  const scale = [1009n, 2003n, 9973n, 99991n][randomInteger(random, 4)]!;
  return rational(BigInt(1 + randomInteger(random, 9960)), scale);
}

function compareAt(
  a: Expression,
  b: Expression,
  point: ReadonlyMap<string, Rational>,
  bareLog: 'natural' | 'decimal',
): PointResult {
  const x = evaluateExactly(a, point);
  const y = x && evaluateExactly(b, point);
  if (x && y) return gaussiansEqual(x, y) ? 'exact' : 'different';
  return compareDigits(a, b, { bits: BITS, point, bareLog });
}

/**
 * Two precisions tell a small difference from a rounding error: the first stays as it is when the precision is
 * doubled, the second shrinks by as much as the precision grew. A difference that does neither decides nothing.
 */
function compareDigits(a: Expression, b: Expression, context: EvaluationContext): PointResult {
  const fine = { ...context, bits: 2 * context.bits };
  const coarse = difference(a, b, context);
  const precise = coarse && difference(a, b, fine);
  if (!coarse || !precise) return 'undefined';
  const change = complexOrder(addComplex(fine.bits, coarse.value, negateComplex(precise.value)));
  const size = complexOrder(precise.value);
  if (size > Number.NEGATIVE_INFINITY && change < size - 20) return 'different';
  if (size < precise.scale - 1.8 * context.bits) return 'digits';
  return size < complexOrder(coarse.value) - 0.8 * context.bits ? 'digits' : 'unresolved';
}

function difference(
  a: Expression,
  b: Expression,
  context: EvaluationContext,
): { value: ComplexFloat; scale: number } | null {
  const x = evaluateNumerically(a, context);
  const y = x && evaluateNumerically(b, context);
  if (!x || !y) return null;
  const value = addComplex(context.bits, x, negateComplex(y));
  return { value, scale: Math.max(complexOrder(x), complexOrder(y)) };
}

/** For ordering and rounding: a constant as a float of 192 bits, where it is real. */
export function realConstant(expression: Expression): { m: bigint; e: number } | null {
  if (symbolsOf(expression).size > 0 || hasBareLog(expression)) return null;
  const value = evaluateNumerically(expression, { bits: BITS, point: new Map(), bareLog: 'natural' });
  if (value === null) return null;
  const negligible = value.im.m === 0n || order(value.im) < order(value.re) - BITS / 2;
  return negligible ? value.re : null;
}
