import type { Verdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { compareAnswers } from './compare-answers.ts';
import type { Ask, Comparison } from './comparison.ts';
import { type ExtractedAnswer, type ExtractionRule, extractAnswer } from './extract-answer.ts';
import { MAX_NORMALIZED, normalizeText } from './normalize.ts';
import { canonicalLiteral, quotedString } from './python-literal.ts';
import { readAnswer } from './read-answer.ts';

export interface AnswerVerdict {
  verdict: Verdict;
  /** The rule that decided, or why nothing could: "rational-equal", "no-answer", "symbolic", … */
  rule: string;
  /** The answer found in the response, as written. */
  extracted: string | null;
  /** The rule that found it; null where there is no answer. Absent from verifiers that do not extract. */
  extraction?: ExtractionRule | null;
}

/**
 * Compares the final answer of a response with the gold answer.
 *
 * right: exact rational equality, equal literals, or equal normalised text, also member by member.
 * wrong: both sides are numbers, constants or literals and differ, or the answer is of a form that excludes the
 * gold one (a list for a number, "no solution" for a number, a number for "no solution").
 * unknown: no answer, or an equality that only a symbolic engine (`verifyAnswerWith`) or a reader could decide.
 *
 * Never throws for a response; an empty gold answer, or one with unbalanced braces, is ERR_LAPIDARY_DATA.
 */
export function verifyAnswer(response: string, groundTruth: string): AnswerVerdict {
  return verifyBy(response, groundTruth, compareAsMathematics);
}

/** As `verifyAnswer`, for answers that are plain words: equal normalised text is right, anything else is wrong. */
export function verifyText(response: string, groundTruth: string): AnswerVerdict {
  return verifyBy(response, groundTruth, (gold, given) =>
    normalizeText(gold).toLowerCase() === normalizeText(given).toLowerCase()
      ? { verdict: 'right', rule: 'text-equal' }
      : { verdict: 'wrong', rule: 'text-differs' },
  );
}

export function verifyBy(
  response: string,
  groundTruth: string,
  compare: (gold: string, given: string) => Comparison,
): AnswerVerdict {
  checkGroundTruth(groundTruth);
  const answer: ExtractedAnswer | null = extractAnswer(response);
  if (answer === null) return { verdict: 'unknown', rule: 'no-answer', extracted: null, extraction: null };
  if (answer.text.length > MAX_NORMALIZED && answer.text !== groundTruth) {
    return { verdict: 'unknown', rule: 'answer-too-long', extracted: answer.text, extraction: answer.rule };
  }
  return { ...compare(groundTruth, answer.text), extracted: answer.text, extraction: answer.rule };
}

/** Compares two answers, without a response around the given one. */
export function compareAsMathematics(groundTruth: string, given: string, ask?: Ask): Comparison {
  return (
    compareLiterals(groundTruth.trim(), given.trim()) ??
    compareAnswers(readAnswer(groundTruth), readAnswer(given), ask)
  );
}

/**
 * Program values: a gold answer that is a quoted string, or a literal with strings or key-value pairs in it. Their
 * equality is decided by reading them, never by normalising their text: case and spaces inside strings count.
 */
function compareLiterals(groundTruth: string, given: string): Comparison | null {
  const string = quotedString(groundTruth);
  const equal: Comparison = { verdict: 'right', rule: 'literal-equal' };
  const different: Comparison = { verdict: 'wrong', rule: 'literal-differs' };
  // Models often leave out the quotes of a string, above all where the answer is itself a JSON string.
  if (string !== null) return given === string || quotedString(given) === string ? equal : different;
  if (!/["':]/.test(groundTruth)) return null;
  const gold = canonicalLiteral(groundTruth);
  const other = gold === null ? null : canonicalLiteral(given.replace(/^`+|`+$/g, ''));
  return other === null ? null : gold === other ? equal : different;
}

function checkGroundTruth(groundTruth: string): void {
  const text = typeof groundTruth === 'string' ? groundTruth.trim() : '';
  const problem =
    text === '' || normalizeText(text) === ''
      ? 'empty: expected an answer to compare with'
      : quotedString(text) === null && !bracesBalance(text)
        ? `unbalanced braces in ${JSON.stringify(text.slice(0, 80))}: expected a complete answer`
        : null;
  if (problem !== null) {
    throw new LapidaryError('ERR_LAPIDARY_DATA', `ground_truth: ${problem}`, { argument: 'ground_truth' });
  }
}

function bracesBalance(text: string): boolean {
  let depth = 0;
  for (const match of text.matchAll(/\\[{}]|[{}]/g)) {
    if (match[0] === '{') depth++;
    else if (match[0] === '}' && --depth < 0) return false;
  }
  return depth === 0 || canonicalLiteral(text) !== null;
}
