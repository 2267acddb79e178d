import type { AnswerForm } from './answer-form.ts';
import { type Ask, askSymbolic, type Comparison, SYMBOLIC, unknown, wrong } from './comparison.ts';
import { rationalsEqual } from './rational.ts';
import { parseRational } from './written-number.ts';

/** Answers of different kinds: wrong where the kinds exclude each other, otherwise undecided. */
export function compareForms(gold: AnswerForm, given: AnswerForm, ask: Ask): Comparison {
  if (given.kind === 'prose') return compareWithProse(gold, given.text);
  if (gold.kind === 'prose') {
    return isCounted(given) && isWordsOnly(gold) ? wrong('form-differs') : unknown('prose');
  }
  const comma = compareDecimalComma(gold, given);
  if (comma !== null) return comma;
  if (isCounted(gold) && isCounted(given)) return wrong('form-differs');
  const open = ['symbolic', 'expression'];
  if (open.includes(gold.kind) && open.includes(given.kind)) return askSymbolic(gold.text, given.text, ask);
  return unknown(SYMBOLIC);
}

function isCounted(form: AnswerForm): boolean {
  return form.kind === 'number' || form.kind === 'constant' || form.kind === 'group';
}

/** "3,5" is a list to one writer and 3.5 to another: it is taken for the number only where that is the gold one. */
function compareDecimalComma(gold: AnswerForm, given: AnswerForm): Comparison | null {
  const [number, list] = gold.kind === 'number' ? [gold, given] : [given, gold];
  if (number.kind !== 'number' || list.kind !== 'group' || !/^-?\d+,\d+$/.test(list.text)) return null;
  const read = parseRational(list.text.replace(',', '.'));
  if (read === null || !rationalsEqual(read.value, number.number.value)) return null;
  return gold.kind === 'number' ? { verdict: 'right', rule: 'decimal-comma' } : unknown('decimal-comma');
}

const NUMBER_WORDS =
  /\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|billion|dozen|half|halves|thirds?|quarters?|fifths?|sixths?|eighths?|tenths?|once|twice|plus|minus|times|over|divided|square|cube|root|pi)\b/i;

export function isWordsOnly(form: AnswerForm): boolean {
  return form.kind === 'prose' && !/[\d\\]/.test(form.text) && !NUMBER_WORDS.test(form.text);
}

const OPPOSITES = [
  ['yes', 'no'],
  ['true', 'false'],
  ['even', 'odd'],
  ['increasing', 'decreasing'],
  ['convergent', 'divergent'],
  ['converges', 'diverges'],
] as const;

/** Prose that never names the gold number does not give it; prose that does may also deny it. */
function compareWithProse(gold: AnswerForm, prose: string): Comparison {
  if (gold.kind === 'prose') return compareWords(gold.text, prose);
  if (NUMBER_WORDS.test(prose)) return unknown('prose');
  if (gold.kind === 'number') {
    const numbers = prose.match(/-?\d+(?:,\d{3})*(?:\.\d+)?(?:\/\d+)?/g) ?? [];
    const named = numbers.some((text) => {
      const read = parseRational(text);
      return read === null || rationalsEqual(read.value, gold.number.value);
    });
    return named || prose.includes('\\') ? unknown('prose') : wrong('prose-without-gold');
  }
  return isWordsOnly({ kind: 'prose', text: prose }) && gold.kind !== 'choice'
    ? wrong('form-differs')
    : unknown('prose');
}

function compareWords(gold: string, given: string): Comparison {
  const opposite = OPPOSITES.some((pair) => {
    const words: readonly string[] = pair;
    return gold !== given && words.includes(gold) && words.includes(given);
  });
  return opposite ? wrong('opposite') : unknown('prose');
}
