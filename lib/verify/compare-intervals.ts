import type { AnswerForm, Interval } from './answer-form.ts';
import type { Compare } from './compare-answers.ts';
import { allOf, type Comparison, type Comparison as Result, unknown, wrong } from './comparison.ts';
import { readNormalized } from './read-answer.ts';
import { asIntervals, canonicalUnion } from './read-intervals.ts';

const read = (text: string): AnswerForm => readNormalized(text, 0);

/**
 * Two answers that are both sets of reals. A gold inequality accepts an interval; a gold interval does not accept an
 * inequality (it is undecided), because an answer that repeats the question's inequality would pass. Null where
 * neither answer is certainly an interval or an inequality.
 */
export function compareIntervals(gold: AnswerForm, given: AnswerForm, compare: Compare): Comparison | null {
  if (!isCertain(gold) && !isCertain(given)) return null;
  const a = asIntervals(gold, read);
  const b = asIntervals(given, read);
  if (a === null || b === null) return null;
  if (!isInequality(gold) && isInequality(given)) return unknown('inequality-for-interval');
  const [x, y] = [canonicalUnion(a) ?? a, canonicalUnion(b) ?? b];
  if (x.length !== y.length) {
    // Without an order the parts may still join up.
    return canonicalUnion(a) && canonicalUnion(b) ? wrong('intervals-differ') : unknown('symbolic');
  }
  return allOf(
    x.map((interval, index) => compareInterval(interval, y[index]!, compare)),
    { right: 'intervals-equal', wrong: 'intervals-differ' },
  );
}

function isCertain(form: AnswerForm): boolean {
  return form.kind === 'intervals' || isInequality(form);
}

/** An inequality, or several joined by "or". */
function isInequality(form: AnswerForm): boolean {
  if (form.kind === 'group') return form.brackets === '' && form.parts.every(isInequality);
  return form.kind === 'relation' && form.operators.every((operator) => /^(?:<|>|\\le|\\ge)$/.test(operator));
}

function compareInterval(gold: Interval, given: Interval, compare: Compare): Result {
  const infinite = (form: AnswerForm): boolean => form.kind === 'infinity';
  // [−∞ is written for (−∞ now and then; an end at infinity is never closed.
  const sameEnds =
    (gold.lowerClosed === given.lowerClosed || infinite(gold.lower)) &&
    (gold.upperClosed === given.upperClosed || infinite(gold.upper));
  if (!sameEnds) return wrong('bracket-differs');
  const results = [
    compareEnd(gold.lower, given.lower, compare),
    compareEnd(gold.upper, given.upper, compare),
  ];
  return allOf(results, { right: 'ends-equal', wrong: 'end-differs' });
}

/** Endpoints are plain values: no percent for a bare number, and no dropped unit of one end only. */
function compareEnd(gold: AnswerForm, given: AnswerForm, compare: Compare): Result {
  const result = compare(gold, given);
  return result.rule === 'percent-bare' ? wrong('end-differs') : result;
}
