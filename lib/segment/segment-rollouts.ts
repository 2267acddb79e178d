import { createHash } from 'node:crypto';
import type { Rollout, Step } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { AsyncSegmenter, Segmenter, SegmentInput, Span, TokenOwners } from './segmenter.ts';
import { tokenOwners } from './token-owners.ts';
import { checkCover, spansOfOwners } from './token-spans.ts';

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
    const input = segmentInput(rollout, tokenizer);
    const spans = inRollout(rollout, () => segmenter.segment(input.text, input.owners));
    return stepsOf(rollout, segmenter.id, spans, input.owners);
  });
}

export interface SegmentAsyncOptions {
  signal?: AbortSignal;
  /** Responses given to the segmenter at once; a model makes full batches of them. */
  responsesAtOnce?: number;
}

/**
 * The same for a segmenter that waits for a model: yields the steps of one rollout after the other, so that the
 * caller can store them as they come, and give only the rollouts that are missing when it starts again.
 */
export async function* segmentRolloutsAsync(
  rollouts: Iterable<Rollout>,
  segmenter: AsyncSegmenter,
  tokenizer: Tokenizer | null,
  options: SegmentAsyncOptions = {},
): AsyncGenerator<{ rolloutId: string; steps: Step[] }> {
  const { signal, responsesAtOnce = 64 } = options;
  for (const group of groupsOf(rollouts, responsesAtOnce)) {
    signal?.throwIfAborted();
    const inputs = group.map((rollout) => segmentInput(rollout, tokenizer));
    const spans = await segmentGroup(group, segmenter, inputs, signal);
    for (const [i, rollout] of group.entries()) {
      const steps = stepsOf(rollout, segmenter.id, spans[i]!, inputs[i]!.owners);
      yield { rolloutId: rollout.rollout_id, steps };
    }
  }
}

/** A segmenter says which input an error is about; the rollout's name is put before it. */
async function segmentGroup(
  group: readonly Rollout[],
  segmenter: AsyncSegmenter,
  inputs: readonly SegmentInput[],
  signal: AbortSignal | undefined,
): Promise<Span[][]> {
  try {
    return await segmenter.segmentMany(inputs, signal === undefined ? {} : { signal });
  } catch (cause) {
    const index = LapidaryError.isInstance(cause) ? /^inputs\[(\d+)\]/.exec(cause.message)?.[1] : undefined;
    throw nameRollout(group[Number(index ?? -1)], cause);
  }
}

function* groupsOf<T>(items: Iterable<T>, size: number): Generator<T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

function segmentInput(rollout: Rollout, tokenizer: Tokenizer | null): SegmentInput {
  const text = rollout.response_text;
  const ids = rollout.response_ids;
  if (tokenizer === null || ids == null) return { text };
  return { text, owners: inRollout(rollout, () => tokenOwners(text, ids, tokenizer)) };
}

function stepsOf(
  rollout: Rollout,
  segmenterId: string,
  spans: readonly Span[],
  owners: TokenOwners | undefined,
): Step[] {
  const text = rollout.response_text;
  // A segmenter may be the caller's own: what it gives back is held to the guarantee before it is stored.
  inRollout(rollout, () => checkCover(text, spans));
  const tokens = owners === undefined ? null : spansOfOwners(spans, owners);
  return spans.map(({ start, end }, k) => ({
    rollout_id: rollout.rollout_id,
    segmenter_id: segmenterId,
    k,
    char_start: start,
    char_end: end,
    token_start: tokens?.[k]?.start ?? null,
    token_end: tokens?.[k]?.end ?? null,
    text_sha256: createHash('sha256').update(text.slice(start, end)).digest('hex'),
  }));
}

/** Errors name the rollout they are about. */
function inRollout<T>(rollout: Rollout, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw nameRollout(rollout, cause);
  }
}

function nameRollout(rollout: Rollout | undefined, cause: unknown): unknown {
  if (rollout === undefined || !LapidaryError.isInstance(cause)) return cause;
  const argument = cause.argument === undefined ? {} : { argument: cause.argument };
  const message = `rollout ${rollout.rollout_id}: ${cause.message}`;
  return new LapidaryError(cause.code, message, { cause, ...argument });
}
