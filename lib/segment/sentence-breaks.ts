import { ELLIPSIS, INITIAL, isLabel, LOOK_BACK } from './dot-places.ts';
import { windowedBoundaries } from './windowed-boundaries.ts';
import { skipWhitespace } from './zones.ts';

/** How good a place is for a step boundary; a higher number is a better one. */
export const Strength = { sentence: 1, line: 2, reflection: 3, paragraph: 4 } as const;
export type Strength = (typeof Strength)[keyof typeof Strength];

/** A possible boundary: the step on the right starts at `at`. */
export interface Break {
  at: number;
  /** One of `Strength`, or above them all for what a model proposes. */
  strength: number;
}

const sentences = new Intl.Segmenter('en', { granularity: 'sentence' });

/**
 * The sentence, line and paragraph boundaries of a text, in order. Whitespace belongs to the sentence before it.
 * A sentence that begins with one of the markers is a reflection.
 */
export function sentenceBreaks(text: string, markers: RegExp | null): Break[] {
  const breaks: Break[] = [];
  let last = 0;
  for (const index of windowedBoundaries(sentences, text, 2)) {
    // Every line break is a sentence of its own; those inside whitespace that was skipped already are not looked at.
    if (index <= last) continue;
    last = skipWhitespace(text, index);
    if (last >= text.length) break;
    const strength = strengthAt(text, last, markers);
    if (strength !== null) breaks.push({ at: last, strength });
  }
  return breaks;
}

function strengthAt(text: string, at: number, markers: RegExp | null): Strength | null {
  let gapStart = at;
  while (gapStart > 0 && /\s/.test(text[gapStart - 1]!)) gapStart--;
  const gap = text.slice(gapStart, at);
  const lineBreaks = gap.split('\n').length - 1;
  if (lineBreaks > 1) return Strength.paragraph;
  if (markers !== null && gap !== '' && startsWith(text, at, markers)) return Strength.reflection;
  if (lineBreaks === 1 || /[\r\u2028\u2029\u0085]/.test(gap)) return Strength.line;
  const before = text.slice(Math.max(0, gapStart - LOOK_BACK), gapStart);
  return isSentenceEnd(before, gap, text.slice(at, at + 2)) ? Strength.sentence : null;
}

function startsWith(text: string, at: number, markers: RegExp): boolean {
  markers.lastIndex = at;
  return markers.test(text);
}

const FULL_WIDTH = /[。！？]["'”’）】]?$/;

/** Guards against dots that end no sentence. "3.14" and the inside of a URL never get here: no space follows. */
function isSentenceEnd(before: string, gap: string, after: string): boolean {
  if (gap === '') return FULL_WIDTH.test(before);
  if (ELLIPSIS.test(before) || INITIAL.test(before) || isLabel(before)) return false;
  // "5! = 120" and "is it? no": a factorial or an aside goes on in the same sentence.
  if (/[!?]$/.test(before) && /^[=+\-*/<>^,;:)\]}a-z]/.test(after)) return false;
  return true;
}
