import { answerZone } from './answer-zone.ts';
import { boxedAnswer } from './boxed-answer.ts';
import { jsonAnswer } from './json-answer.ts';
import { lastMath, lastNumber } from './last-value.ts';
import { finalAnswer, statedAnswer } from './stated-answer.ts';

/** Which rule found an answer, in the order in which they are tried. */
export type ExtractionRule =
  | 'boxed'
  | 'answer-tag'
  | 'json-answer'
  | 'final-answer'
  | 'stated-answer'
  | 'last-math'
  | 'last-number';

export interface ExtractedAnswer {
  text: string;
  rule: ExtractionRule;
}

const RULES: readonly (readonly [ExtractionRule, (text: string) => string | null])[] = [
  ['boxed', boxedAnswer],
  ['answer-tag', taggedAnswer],
  ['json-answer', jsonAnswer],
  ['final-answer', finalAnswer],
  ['stated-answer', statedAnswer],
  ['last-math', lastMath],
  ['last-number', lastNumber],
];

/**
 * The answer that a response ends on, by the first rule that finds one in the text after the thought.
 *
 * A response that was cut off inside its thought has no answer, whatever the thought boxed on the way: a value in
 * the middle of a thought is a guess that the model was still examining. The one exception is a complete
 * `<answer>…</answer>`, which models write only to answer, also after a thought that they closed badly.
 */
export function extractAnswer(response: string): ExtractedAnswer | null {
  const zone = answerZone(response);
  for (const [rule, find] of RULES) {
    if (zone.unfinished && rule !== 'answer-tag') continue;
    const text = find(zone.text)?.trim();
    if (text !== undefined && text !== '') return { text, rule };
  }
  return null;
}

const OPEN = '<answer>';
const CLOSE = '</answer>';

function taggedAnswer(text: string): string | null {
  const end = text.lastIndexOf(CLOSE);
  if (end < 0) return null;
  const start = text.lastIndexOf(OPEN, end);
  return start < 0 ? null : text.slice(start + OPEN.length, end);
}
