import { LapidaryError } from '../errors.ts';
import type { TextEncoding } from '../tokenizer/hf-encoder.ts';
import { skipWhitespace } from './zones.ts';

/** A place where a step may end (the next one starts at `at`), and how probable the model finds it. */
export interface Candidate {
  at: number;
  probability: number;
}

/**
 * The boundaries that a model proposes, in order. A token's logit belongs to its last character; a boundary there
 * cuts after it and after the whitespace that follows. A token without a place in the text ([0, 0], or an empty
 * span) proposes nothing; of two that end with the same character the later one counts, of two that whitespace
 * brings to the same place the more probable one.
 */
export function candidatesOf(text: string, encoding: TextEncoding, logits: Float64Array): Candidate[] {
  checkOffsets(text, encoding, logits);
  const candidates: Candidate[] = [];
  let last = -1;
  for (const [i, [start, end]] of encoding.offsets.entries()) {
    const nextEnd = encoding.offsets[i + 1];
    if (end <= start || (nextEnd !== undefined && nextEnd[1] === end && nextEnd[0] < end)) continue;
    const at = skipWhitespace(text, end);
    if (at >= text.length) continue;
    const probability = 1 / (1 + Math.exp(-logits[i]!));
    if (at !== last) candidates.push({ at, probability });
    else candidates.at(-1)!.probability = Math.max(candidates.at(-1)!.probability, probability);
    last = at;
  }
  return candidates;
}

function checkOffsets(text: string, { ids, offsets }: TextEncoding, logits: Float64Array): void {
  if (ids.length !== offsets.length || ids.length !== logits.length) {
    throw offsetError(`${offsets.length} for ${ids.length} tokens`);
  }
  let last = 0;
  for (const [i, [start, end]] of offsets.entries()) {
    if (!(start >= 0 && start <= end && end <= text.length)) {
      throw offsetError(`token ${i} has [${start}, ${end}], the text ${text.length} characters`);
    }
    if (end === 0) continue;
    if (end < last) throw offsetError(`token ${i} ends at ${end}, before the one before it at ${last}`);
    last = end;
  }
}

function offsetError(problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `offsets: ${problem}`, { argument: 'offsets' });
}
