import type { Verdict } from '../data/records.ts';
import { type AnswerForm, readNormalized } from './answer-form.ts';
import { parseRational, type Rational, rational, rationalsEqual, type WrittenNumber } from './rational.ts';

/** A verdict and the name of the rule that gave it. */
export interface Comparison {
  verdict: Verdict;
  rule: string;
}

const RELATIVE_TOLERANCE = 1e-6;

/**
 * Compares a given answer with the gold one. Not symmetric, on purpose: a gold "5" accepts "x = 5", because the
 * answer is there; a gold "x = 5" accepts "5" for the same reason; but a list never stands for one of its members.
 */
export function compareAnswers(gold: AnswerForm, given: AnswerForm): Comparison {
  if (gold.text === given.text) return { verdict: 'right', rule: 'text-equal' };
  if (gold.kind === 'number' && given.kind === 'number') return compareNumbers(gold.number, given.number);
  if (gold.kind === 'relation' || given.kind === 'relation') return compareRelations(gold, given);
  if (hasValue(gold) && hasValue(given)) {
    // Float64 can show that two constants differ, never that they are equal.
    return differ(approximate(gold), approximate(given)) ? wrong('value-differs') : unknown('symbolic');
  }
  if (gold.kind === 'group' && given.kind === 'group') return compareGroups(gold, given);
  if (gold.kind === 'choice' && given.kind === 'choice') {
    return gold.letter === given.letter
      ? { verdict: 'right', rule: 'choice-equal' }
      : wrong('choice-differs');
  }
  return compareForms(gold, given);
}

const wrong = (rule: string): Comparison => ({ verdict: 'wrong', rule });
const unknown = (rule: string): Comparison => ({ verdict: 'unknown', rule });

function compareNumbers(gold: WrittenNumber, given: WrittenNumber): Comparison {
  if (rationalsEqual(gold.value, given.value)) return { verdict: 'right', rule: 'rational-equal' };
  // "What percentage …" is answered by 50 and by 50%; below 1 the bare number is more likely a share.
  const bare = percentless(given);
  const readable = gold.percent !== given.percent && bareMagnitudeAboveOne(gold);
  if (readable && rationalsEqual(percentless(gold), bare)) return { verdict: 'right', rule: 'percent-bare' };
  return wrong('rational-differs');
}

function percentless({ value, percent }: WrittenNumber): Rational {
  return percent ? rational(value.num * 100n, value.den) : value;
}

function bareMagnitudeAboveOne(number: WrittenNumber): boolean {
  const { num, den } = percentless(number);
  return (num < 0n ? -num : num) > den;
}

type Valued = Extract<AnswerForm, { kind: 'number' | 'constant' }>;

function hasValue(form: AnswerForm): form is Valued {
  return form.kind === 'number' || form.kind === 'constant';
}

function approximate(form: Valued): number {
  if (form.kind === 'constant') return form.approx;
  return Number(form.number.value.num) / Number(form.number.value.den);
}

function differ(a: number, b: number): boolean {
  return Math.abs(a - b) > RELATIVE_TOLERANCE * Math.max(Math.abs(a), Math.abs(b), RELATIVE_TOLERANCE);
}

function compareRelations(gold: AnswerForm, given: AnswerForm): Comparison {
  if (gold.kind === 'relation' && given.kind === 'relation') {
    const sameSides = [...gold.sides].sort().join('=') === [...given.sides].sort().join('=');
    if (gold.sides.length === 2 && sameSides) return { verdict: 'right', rule: 'sides-swapped' };
    if (gold.sides[0] !== given.sides[0] || !isName(gold.sides[0]!)) return unknown('symbolic');
    return compareAnswers(lastSide(gold.sides), lastSide(given.sides));
  }
  if (given.kind === 'relation') {
    // "25 + 169 = 194" and "x = 194" end on the answer; a relation whose last side is no value is left undecided.
    const end = lastSide(given.sides);
    const comparable = gold.kind !== 'prose' && (hasValue(end) || end.text === gold.text);
    return comparable ? compareAnswers(gold, end) : unknown('symbolic');
  }
  if (
    gold.kind === 'relation' &&
    gold.sides.length === 2 &&
    isName(gold.sides[0]!) &&
    given.kind !== 'prose'
  ) {
    return compareAnswers(lastSide(gold.sides), given);
  }
  return isWordsOnly(given) ? wrong('form-differs') : unknown('symbolic');
}

function isName(side: string): boolean {
  return /^(?:\\?[a-zA-Z]+|[a-zA-Z]\([a-z]\))$/.test(side);
}

function lastSide(sides: readonly string[]): AnswerForm {
  return readNormalized(sides.at(-1)!, 0);
}

type Group = Extract<AnswerForm, { kind: 'group' }>;

function compareGroups(gold: Group, given: Group): Comparison {
  const unordered = (group: Group): boolean => group.brackets === '' || group.brackets === '{}';
  if (unordered(gold) && unordered(given)) return compareSets(gold.parts, given.parts);
  if (gold.parts.length !== given.parts.length) return wrong('length-differs');
  const results = gold.parts.map((part, index) => compareAnswers(part, given.parts[index]!).verdict);
  if (results.includes('wrong')) return wrong('member-differs');
  // (0, 1) and [0, 1] may be two intervals or one pair: only equal brackets make equal answers.
  const alike = gold.brackets === given.brackets || gold.brackets === '' || given.brackets === '';
  return alike && !results.includes('unknown')
    ? { verdict: 'right', rule: 'members-equal' }
    : unknown('symbolic');
}

function compareSets(gold: readonly AnswerForm[], given: readonly AnswerForm[]): Comparison {
  const table = gold.map((a) => given.map((b) => compareAnswers(a, b).verdict));
  const matched = table.every((row) => row.includes('right'));
  const covered = given.every((_, column) => table.some((row) => row[column] === 'right'));
  if (matched && covered) return { verdict: 'right', rule: 'set-equal' };
  const hopeless =
    table.some((row) => row.every((verdict) => verdict === 'wrong')) ||
    given.some((_, column) => table.every((row) => row[column] === 'wrong'));
  return hopeless ? wrong('set-differs') : unknown('symbolic');
}

/** Answers of different kinds: wrong where the kinds exclude each other, otherwise undecided. */
function compareForms(gold: AnswerForm, given: AnswerForm): Comparison {
  if (given.kind === 'prose') return compareWithProse(gold, given.text);
  if (gold.kind === 'prose') {
    const numeric = hasValue(given) || given.kind === 'group';
    return numeric && isWordsOnly(gold) ? wrong('form-differs') : unknown('prose');
  }
  const counted = (form: AnswerForm): boolean => hasValue(form) || form.kind === 'group';
  return counted(gold) && counted(given) ? wrong('form-differs') : unknown('symbolic');
}

/** Prose that never names the gold number does not give it; prose that does may also deny it. */
function compareWithProse(gold: AnswerForm, prose: string): Comparison {
  if (gold.kind === 'prose') return unknown('prose');
  if (NUMBER_WORDS.test(prose)) return unknown('prose');
  if (gold.kind === 'number') {
    const numbers = prose.match(/-?\d+(?:,\d{3})*(?:\.\d+)?(?:\/\d+)?/g) ?? [];
    const named = numbers.some((text) => {
      const read = parseRational(text);
      return read === null || rationalsEqual(read.value, gold.number.value);
    });
    return named || prose.includes('\\') ? unknown('prose') : wrong('prose-without-gold');
  }
  return isWordsOnly({ kind: 'prose', text: prose }) ? wrong('form-differs') : unknown('prose');
}

const NUMBER_WORDS =
  /\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|halves|thirds?|quarters?|fifths?|sixths?|eighths?|tenths?|once|twice|plus|minus|times|over|divided|square|cube|root|pi)\b/i;

function isWordsOnly(form: AnswerForm): boolean {
  return form.kind === 'prose' && !/[\d\\]/.test(form.text) && !NUMBER_WORDS.test(form.text);
}
