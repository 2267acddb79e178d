import type { AnswerForm } from './answer-form.ts';
import { compareGroups, compareMatrices, compareRatios, compareVectors } from './compare-groups.ts';
import { compareIntervals } from './compare-intervals.ts';
import { compareNumbers, compareRounded } from './compare-numbers.ts';
import { compareForms } from './compare-prose.ts';
import { compareRelations } from './compare-relations.ts';
import { type Ask, askSymbolic, type Comparison, right, unknown, wrong } from './comparison.ts';
import type { Expression } from './expression.ts';
import { testIdentity } from './identity-test.ts';
import { readNormalized } from './read-answer.ts';
import { isLetterUnit, readUnit, type Unit, unitRatio } from './units.ts';
import { parseRational } from './written-number.ts';

const MAX_NESTING = 16;

export type Compare = (gold: AnswerForm, given: AnswerForm) => Comparison;

/**
 * Compares a given answer with the gold one. Not symmetric, on purpose: a gold "5" accepts "x = 5", because the
 * answer is there; a gold "x = 5" accepts "5" for the same reason; a gold inequality accepts an interval, but not
 * the other way round; and a list never stands for one of its members.
 */
export function compareAnswers(
  gold: AnswerForm,
  given: AnswerForm,
  ask: Ask = () => null,
  depth = 0,
): Comparison {
  const compare: Compare = (a, b) => compareAnswers(a, b, ask, depth + 1);
  if (gold.text === given.text) return right('text-equal');
  // Sides of relations and members of lists are read again; real answers nest twice or so.
  if (depth > MAX_NESTING) return unknown('nested-too-deep');
  if (gold.kind === 'number' && given.kind === 'number') return compareNumbers(gold.number, given.number);
  if (gold.kind === 'relation' || given.kind === 'relation')
    return compareRelations(gold, given, compare, ask);
  if (isFormula(gold) && isFormula(given)) return compareFormulas(gold, given, ask);
  const infinities = compareInfinities(gold, given);
  if (infinities !== null) return infinities;
  const intervals = compareIntervals(gold, given, compare);
  if (intervals !== null) return intervals;
  if (gold.kind === 'group' && given.kind === 'group') return compareGroups(gold, given, compare);
  if (gold.kind === 'matrix' && given.kind === 'matrix') return compareMatrices(gold, given, compare);
  if (gold.kind === 'matrix' || given.kind === 'matrix') {
    const vectors = compareVectors(gold, given, compare);
    if (vectors !== null) return vectors;
  }
  if (gold.kind === 'ratio' && given.kind === 'ratio') return compareRatios(gold, given);
  if (gold.kind === 'choice' && given.kind === 'choice') {
    return gold.letter === given.letter ? right('choice-equal') : wrong('choice-differs');
  }
  return compareForms(gold, given, ask);
}

function compareInfinities(gold: AnswerForm, given: AnswerForm): Comparison | null {
  if (gold.kind === 'infinity' && given.kind === 'infinity') {
    return gold.negative === given.negative ? right('infinity-equal') : wrong('infinity-differs');
  }
  const [one, other] = gold.kind === 'infinity' ? [gold, given] : [given, gold];
  return one.kind === 'infinity' && hasValue(other) ? wrong('infinity-differs') : null;
}

type Formula = Extract<AnswerForm, { kind: 'number' | 'constant' | 'expression' }>;

function isFormula(form: AnswerForm): form is Formula {
  return form.kind === 'expression' || hasValue(form);
}

export function hasValue(form: AnswerForm): form is Extract<AnswerForm, { kind: 'number' | 'constant' }> {
  return form.kind === 'number' || form.kind === 'constant';
}

/** "5m" is a length where the gold answer is one, and could be 5 times m where it is a bare number. */
function compareLetterUnit(gold: Formula, value: string, letter: string): Comparison {
  const number = parseRational(value);
  if (gold.kind !== 'number' || gold.number.unit === null || number === null)
    return unknown('unit-or-symbol');
  return compareNumbers(gold.number, { ...number, unit: readUnit(letter) });
}

function expressionOf(form: Formula): Expression {
  return form.kind === 'number' ? { kind: 'number', value: form.number.value } : form.expression;
}

function compareFormulas(gold: Formula, given: Formula, ask: Ask): Comparison {
  if (hasValue(gold) && hasValue(given)) {
    const [a, b] = [unitOf(gold), unitOf(given)];
    const ratio = a !== null && b !== null ? unitRatio(a, b) : null;
    if (ratio !== null && (typeof ratio === 'string' || ratio.num !== ratio.den)) return unknown('unit');
    const rounded = compareRounded(gold, given);
    if (rounded !== null) return rounded;
    // Digits can show that two constants differ; that they are equal is for the engine to say.
    const degrees = [gold, given].some((form) => form.kind === 'number' && form.number.unit?.name === '°');
    if (degrees) return unknown('unit');
    if (testIdentity(expressionOf(gold), expressionOf(given)) === 'different') return wrong('value-differs');
  }
  const [, value, letter] = /^(.*[\d})]) ?([a-zA-Z])$/.exec(given.text) ?? [];
  if (hasValue(gold) && given.kind === 'expression' && value !== undefined && isLetterUnit(letter!)) {
    if (hasValue(readNormalized(value, 0))) return compareLetterUnit(gold, value, letter!);
  }
  return askSymbolic(bareText(gold), bareText(given), ask);
}

function unitOf(form: Formula): Unit | null {
  return form.kind === 'number' ? form.number.unit : form.kind === 'constant' ? form.unit : null;
}

/** For the engine, to which a unit is a product of variables. */
function bareText(form: Formula): string {
  if (form.kind === 'expression') return form.text;
  if (form.kind === 'constant') return form.bare;
  const { num, den } = form.number.value;
  return den === 1n ? `${num}` : `${num}/${den}`;
}
