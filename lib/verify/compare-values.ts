import type { AnswerForm } from './answer-form.ts';
import { addFloats, type BigFloat, floatOfRational, negateFloat, order } from './big-float.ts';
import { realConstant } from './identity-test.ts';
import { compareRationals } from './rational.ts';

const BITS = 192;

/** The real value of a number or constant to about 190 bits, else null. */
export function realValue(form: AnswerForm): BigFloat | null {
  if (form.kind === 'number') return floatOfRational(BITS, form.number.value);
  return form.kind === 'constant' ? realConstant(form.expression) : null;
}

/** Negative, 0 or positive by the order on the line, with the infinities; null where it cannot be told. */
export function compareValues(a: AnswerForm, b: AnswerForm): number | null {
  if (a.text === b.text) return 0;
  if (a.kind === 'infinity' || b.kind === 'infinity') return infinityRank(a) - infinityRank(b);
  if (a.kind === 'number' && b.kind === 'number') return compareRationals(a.number.value, b.number.value);
  const [x, y] = [realValue(a), realValue(b)];
  if (x === null || y === null) return null;
  const difference = addFloats(BITS, x, negateFloat(y));
  // Too near to tell apart is not equal.
  if (order(difference) < Math.max(order(x), order(y)) - BITS / 2) return null;
  return difference.m < 0n ? -1 : 1;
}

function infinityRank(form: AnswerForm): number {
  return form.kind !== 'infinity' ? 0 : form.negative ? -1 : 1;
}
