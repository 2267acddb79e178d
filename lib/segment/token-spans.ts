import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { lowerBound } from './region-search.ts';
import type { Span, TokenOwners } from './segmenter.ts';
import { tokenOwners } from './token-owners.ts';

/**
 * The token span of each step, over the stored ids. Every token belongs to exactly one step, by one rule: the step
 * that holds the first non-whitespace character of which the token has a byte. A token without one (whitespace,
 * part of a whitespace character, a special token without bytes) belongs to the step of the token before it,
 * leading ones to the first step.
 *
 * The spans are contiguous and cover [0, ids.length), except for an empty text, which has no steps. A step can get
 * an empty span (start equal to end): when one token covers it together with the step before, or when it is
 * whitespace only. Throws ERR_LAPIDARY_DATA where the ids do not spell the text, at the byte where they part.
 */
export function tokenSpans(
  text: string,
  spans: readonly Span[],
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
): Span[] {
  checkCover(text, spans);
  return spansOfOwners(spans, tokenOwners(text, ids, tokenizer));
}

/** The token span of each step, from the character that decides for each token. */
export function spansOfOwners(spans: readonly Span[], owners: TokenOwners): Span[] {
  let start = 0;
  return spans.map((span, k) => {
    const last = k === spans.length - 1;
    const end = last ? owners.length : lowerBound(owners.length, (i) => owners[i]! >= span.end);
    const tokens = { start, end };
    start = end;
    return tokens;
  });
}

/** Throws ERR_LAPIDARY_ARGUMENT where the spans are not in order, leave a gap, overlap, or hold an empty one. */
export function checkCover(text: string, spans: readonly Span[]): void {
  let at = 0;
  for (const [k, span] of spans.entries()) {
    if (span.start !== at || span.end <= span.start) {
      throw coverError(`span ${k} is [${span.start}, ${span.end}): expected a non-empty span from ${at}`);
    }
    at = span.end;
  }
  if (at !== text.length) throw coverError(`they end at ${at}, the text at ${text.length}`);
}

function coverError(problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `spans: do not cover the text: ${problem}`, {
    argument: 'spans',
  });
}
