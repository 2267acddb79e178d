import { createHash } from 'node:crypto';
import type { Rollout, Step } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { Segmenter, Span } from './segmenter.ts';
import { tokenSpans } from './token-spans.ts';

/**
 * The steps of all responses, in order. Token spans are null where a rollout has no `response_ids` or no tokenizer
 * is given. The extra column `text_sha256` identifies the text of a step, so that labels can be carried over.
 */
export function segmentRollouts(
  rollouts: readonly Rollout[],
  segmenter: Segmenter,
  tokenizer: Tokenizer | null,
): Step[] {
  return rollouts.flatMap((rollout) => {
    const text = rollout.response_text;
    const spans = segmenter.segment(text);
    const tokens = rolloutTokenSpans(rollout, spans, tokenizer);
    return spans.map(({ start, end }, k) => ({
      rollout_id: rollout.rollout_id,
      segmenter_id: segmenter.id,
      k,
      char_start: start,
      char_end: end,
      token_start: tokens?.[k]?.start ?? null,
      token_end: tokens?.[k]?.end ?? null,
      text_sha256: createHash('sha256').update(text.slice(start, end)).digest('hex'),
    }));
  });
}

function rolloutTokenSpans(rollout: Rollout, spans: Span[], tokenizer: Tokenizer | null): Span[] | null {
  if (tokenizer === null || rollout.response_ids == null) return null;
  try {
    return tokenSpans(rollout.response_text, spans, rollout.response_ids, tokenizer);
  } catch (cause) {
    if (!LapidaryError.isInstance(cause)) throw cause;
    const argument = cause.argument === undefined ? {} : { argument: cause.argument };
    throw new LapidaryError(cause.code, `rollout ${rollout.rollout_id}: ${cause.message}`, {
      cause,
      ...argument,
    });
  }
}
