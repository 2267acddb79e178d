import type { AnswerForm, FormOf } from './answer-form.ts';
import { addFloats, floatOfRational, negateFloat, order } from './big-float.ts';
import { realValue } from './compare-values.ts';
import { type Comparison, right, unknown, wrong } from './comparison.ts';
import { multiplyRationals, type Rational, rational, rationalsEqual } from './rational.ts';
import { unitRatio } from './units.ts';
import type { WrittenNumber } from './written-number.ts';

export function compareNumbers(gold: WrittenNumber, given: WrittenNumber): Comparison {
  if (gold.unit !== null && given.unit !== null) return compareMeasures(gold, given);
  const rule = gold.unit === given.unit ? 'rational-equal' : 'unit-omitted';
  if (rationalsEqual(gold.value, given.value)) return right(rule);
  // "What percentage …" is answered by 50 and by 50%; below 1 the bare number is more likely a share.
  const readable = gold.percent !== given.percent && bareMagnitudeAboveOne(gold);
  if (readable && rationalsEqual(percentless(gold), percentless(given))) return right('percent-bare');
  return roundedRational(gold, given) ?? wrong('rational-differs');
}

function compareMeasures(gold: WrittenNumber, given: WrittenNumber): Comparison {
  const ratio = unitRatio(given.unit!, gold.unit!);
  if (ratio === 'different') return wrong('unit-differs');
  if (ratio === 'unclear')
    return rationalsEqual(gold.value, given.value) ? unknown('unit') : wrong('rational-differs');
  const same = ratio.num === ratio.den;
  if (rationalsEqual(gold.value, multiplyRationals(given.value, ratio))) {
    return right(same ? 'rational-equal' : 'unit-converted');
  }
  // Another unit with a value that differs may be a rounded conversion.
  return same ? (roundedRational(gold, given) ?? wrong('rational-differs')) : unknown('unit');
}

function percentless({ value, percent }: WrittenNumber): Rational {
  return percent ? rational(value.num * 100n, value.den) : value;
}

function bareMagnitudeAboveOne(number: WrittenNumber): boolean {
  const { num, den } = percentless(number);
  return (num < 0n ? -num : num) > den;
}

/** From this many significant digits on, a decimal that is the rounding of an exact value stands for it. */
const SIGNIFICANT = 6;

/**
 * A decimal against a fraction that no decimal equals: right from six significant digits on, undecided where the
 * gold answer is a shorter rounding of the given value. Null where neither holds.
 */
function roundedRational(gold: WrittenNumber, given: WrittenNumber): Comparison | null {
  if (gold.percent || given.percent) return null;
  const endless = (number: WrittenNumber): boolean =>
    number.decimals === null && !terminates(number.value.den);
  const decimal = (number: WrittenNumber): boolean => number.decimals !== null;
  if (decimal(gold) && endless(given)) return ifRounding(gold, given.value, unknown('rounds-to-gold'));
  return decimal(given) && endless(gold) ? ifRounding(given, gold.value, null) : null;
}

function ifRounding(decimal: WrittenNumber, exact: Rational, short: Comparison | null): Comparison | null {
  const { num, den } = decimal.value;
  const scale = 10n ** BigInt(decimal.decimals ?? 0);
  // |exact − decimal| ≤ half a unit of the last digit
  const difference = exact.num * den - num * exact.den;
  const isRounding = 2n * (difference < 0n ? -difference : difference) * scale <= exact.den * den;
  if (!isRounding) return null;
  return significantDigits(decimal) >= SIGNIFICANT ? right('rounded-equal') : short;
}

function significantDigits({ value, decimals }: WrittenNumber): number {
  const digits = (value.num * 10n ** BigInt(decimals ?? 0)) / value.den;
  return (digits < 0n ? -digits : digits).toString().length;
}

function terminates(den: bigint): boolean {
  let rest = den;
  for (const prime of [2n, 5n]) while (rest % prime === 0n) rest /= prime;
  return rest === 1n;
}

/** A decimal against an irrational constant, by the same rule; null where it is no rounding of it. */
export function compareRounded(gold: AnswerForm, given: AnswerForm): Comparison | null {
  const decimal = gold.kind === 'number' ? gold.number : given.kind === 'number' ? given.number : null;
  const constant = gold.kind === 'constant' ? gold : given.kind === 'constant' ? given : null;
  if (decimal?.decimals == null || constant === null || decimal.percent) return null;
  return isRoundingOf(decimal, constant)
    ? significantDigits(decimal) >= SIGNIFICANT
      ? right('rounded-equal')
      : gold.kind === 'number'
        ? unknown('rounds-to-gold')
        : null
    : null;
}

function isRoundingOf(decimal: WrittenNumber, constant: FormOf<'constant'>): boolean {
  const value = realValue(constant);
  if (value === null) return false;
  const difference = addFloats(192, value, negateFloat(floatOfRational(192, decimal.value)));
  const half = floatOfRational(192, rational(1n, 2n * 10n ** BigInt(decimal.decimals!)));
  const size = { m: difference.m < 0n ? -difference.m : difference.m, e: difference.e };
  return order(addFloats(192, size, negateFloat(half))) === Number.NEGATIVE_INFINITY
    ? true
    : addFloats(192, size, negateFloat(half)).m < 0n;
}
