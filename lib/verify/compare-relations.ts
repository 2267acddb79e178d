import type { AnswerForm, FormOf, RelationOperator } from './answer-form.ts';
import { type Compare, hasValue } from './compare-answers.ts';
import { compareIntervals } from './compare-intervals.ts';
import { isWordsOnly } from './compare-prose.ts';
import {
  type Ask,
  allOf,
  askSymbolic,
  type Comparison,
  right,
  SYMBOLIC,
  unknown,
  wrong,
} from './comparison.ts';
import { isName, readNormalized } from './read-answer.ts';

type Relation = FormOf<'relation'>;

export function compareRelations(
  gold: AnswerForm,
  given: AnswerForm,
  compare: Compare,
  ask: Ask,
): Comparison {
  if (gold.kind === 'relation' && given.kind === 'relation') {
    if (isEquation(gold) && isEquation(given)) return compareEquations(gold, given, compare, ask);
    // "x \in (3, \infty)" is the interval, beside an inequality.
    if (isMembership(given) && !isEquation(gold)) return compare(gold, lastSide(given));
    if (isMembership(gold) && !isEquation(given)) return compare(lastSide(gold), given);
    return compareIntervals(gold, given, compare) ?? compareInequalities(gold, given, compare);
  }
  const intervals = compareIntervals(gold, given, compare);
  if (intervals !== null) return intervals;
  if (given.kind === 'relation') return compareWithChain(gold, given, compare);
  if (gold.kind === 'relation' && endsOnAnswer(gold) && given.kind !== 'prose') {
    return compare(lastSide(gold), given);
  }
  return isWordsOnly(given) ? wrong('form-differs') : unknown(SYMBOLIC);
}

function isEquation({ operators }: Relation): boolean {
  return operators.every((operator) => operator === '=' || operator === '\\in');
}

function isMembership({ sides, operators }: Relation): boolean {
  return sides.length === 2 && operators[0] === '\\in' && isName(sides[0]!);
}

/** "x = 5", "f(x) = 2x", "x \in (0, 1)": the answer is what stands on the right. */
function endsOnAnswer(relation: Relation): boolean {
  return relation.sides.length === 2 && isName(relation.sides[0]!) && isEquation(relation);
}

/** "25 + 169 = 194" and "x = 194" end on the answer; a relation whose last side is no value is left undecided. */
function compareWithChain(gold: AnswerForm, given: Relation, compare: Compare): Comparison {
  if (gold.kind === 'prose' || !isEquation(given)) return unknown(SYMBOLIC);
  const end = lastSide(given);
  if (end.text === gold.text || hasValue(end)) return compare(gold, end);
  // "y = 2x" answers a gold "2x", and "(x, y) = (1, 2)" a gold pair.
  return endsOnAnswer(given) ? compare(gold, end) : unknown(SYMBOLIC);
}

function compareEquations(gold: Relation, given: Relation, compare: Compare, ask: Ask): Comparison {
  const sameSides = [...gold.sides].sort().join('=') === [...given.sides].sort().join('=');
  const plain = !gold.operators.includes('\\in') && !given.operators.includes('\\in');
  if (gold.sides.length === 2 && sameSides && plain) return right('sides-swapped');
  const name = gold.sides[0]!;
  const named = (relation: Relation): boolean => isName(name) && !lastMentions(relation, name);
  if (name === given.sides[0] && named(gold) && named(given)) return compare(lastSide(gold), lastSide(given));
  if (gold.sides.length !== 2 || given.sides.length !== 2 || !plain) return unknown(SYMBOLIC);
  // A value given to another name is another answer only where the names mean different things.
  if (endsOnAnswer(gold) && endsOnAnswer(given) && isSingle(name) && isSingle(given.sides[0]!)) {
    const values = compare(lastSide(gold), lastSide(given));
    if (hasValue(lastSide(gold)) && hasValue(lastSide(given))) {
      return values.verdict === 'right' ? unknown('name-differs') : values;
    }
  }
  return askSymbolic(gold.text, given.text, ask);
}

function isSingle(name: string): boolean {
  return /^\\?[a-zA-Z]+$/.test(name);
}

function lastMentions(relation: Relation, name: string): boolean {
  return (
    /^[a-zA-Z]$/.test(name) &&
    relation.sides
      .at(-1)!
      .replace(/\\[a-zA-Z]+/g, '')
      .includes(name)
  );
}

const FLIPPED: Readonly<Record<RelationOperator, RelationOperator>> = {
  '<': '>',
  '>': '<',
  '\\le': '\\ge',
  '\\ge': '\\le',
  '=': '=',
  '\\ne': '\\ne',
  '\\in': '\\in',
};

/** Side by side, each read so that it points to the right. */
function compareInequalities(gold: Relation, given: Relation, compare: Compare): Comparison {
  const [a, b] = [pointingRight(gold), pointingRight(given)];
  if (a.sides.length !== b.sides.length) return unknown(SYMBOLIC);
  const sides = a.sides.map((side, index) =>
    compare(readNormalized(side, 0), readNormalized(b.sides[index]!, 0)),
  );
  const result = allOf(sides, { right: 'relation-equal', wrong: SYMBOLIC });
  if (result.verdict !== 'right' && isReversed(a, b, compare)) return wrong('direction-differs');
  if (result.verdict === 'wrong') return compareUnequal(a, b, compare);
  const sameOperators = a.operators.every((operator, index) => operator === b.operators[index]);
  return sameOperators || result.verdict !== 'right' ? result : wrong('direction-differs');
}

/** y < 2x beside 2x < y. */
function isReversed(a: Relation, b: Relation, compare: Compare): boolean {
  const [left, right] = b.sides.map((side) => readNormalized(side, 0));
  if (a.sides.length !== 2 || left === undefined || right === undefined) return false;
  const [first, second] = a.sides.map((side) => readNormalized(side, 0));
  return compare(first!, right).verdict === 'right' && compare(second!, left).verdict === 'right';
}

/** Two that are solved for the same name on the same side differ where their other sides do; others may be scaled. */
function compareUnequal(a: Relation, b: Relation, compare: Compare): Comparison {
  for (const [index, other] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const name = a.sides[index]!;
    const solved = a.sides.length === 2 && isSingle(name) && name === b.sides[index];
    if (!solved || a.sides[other]!.includes(name) || b.sides[other]!.includes(name)) continue;
    const result = compare(readNormalized(a.sides[other]!, 0), readNormalized(b.sides[other]!, 0));
    return result.verdict === 'wrong' ? wrong('relation-differs') : result;
  }
  return unknown(SYMBOLIC);
}

function pointingRight(relation: Relation): Relation {
  if (relation.operators[0] !== '>' && relation.operators[0] !== '\\ge') return relation;
  return {
    ...relation,
    sides: [...relation.sides].reverse(),
    operators: relation.operators.map((operator) => FLIPPED[operator]).reverse(),
  };
}

function lastSide({ sides }: Relation): AnswerForm {
  return readNormalized(sides.at(-1)!, 0);
}
