import type { Rollout, TrainRow } from '../data/records.ts';
import { badRollout } from './token-weights.ts';

/** Sequences one after the other, as the policy and `policyLoss` take them: N tokens of B sequences. */
export interface PackedBatch {
  /** [N], prompts and responses. */
  tokens: Int32Array;
  /** [B + 1] offsets. */
  cuSeqlens: Int32Array;
  /** [N], 1 on response tokens. */
  mask: Uint8Array;
  /** [N]; 1 outside responses. */
  tokenWeights: Float32Array;
  /** [N]; NaN where nothing is stored: an unused entry stays unread, a used one shows at once. */
  behaviourLogp: Float32Array;
  refLogp: Float32Array;
  /** [B]. */
  advantages: Float32Array;
  /** [B], response tokens of each sequence, for `sequenceScales`. */
  lengths: Int32Array;
  rolloutIds: string[];
}

type Labelled = { rollout: Rollout; row: TrainRow };

/** Batches of at most `maxTokens` tokens (a longer sequence alone) from the rows that are trained on, in order. */
export async function* packStream(
  labelled: Iterable<Labelled> | AsyncIterable<Labelled>,
  { maxTokens }: { maxTokens: number },
): AsyncGenerator<PackedBatch> {
  let batch: Labelled[] = [];
  let tokens = 0;
  for await (const item of labelled) {
    if (item.row.drop_reason !== null) continue;
    const length = checkedLength(item);
    if (batch.length > 0 && tokens + length > maxTokens) {
      yield pack(batch, tokens);
      batch = [];
      tokens = 0;
    }
    batch.push(item);
    tokens += length;
  }
  if (batch.length > 0) yield pack(batch, tokens);
}

function checkedLength({ rollout, row }: Labelled): number {
  const { prompt_ids: prompt, response_ids: response } = rollout;
  if (prompt == null || response == null)
    throw badRollout(rollout, 'response_ids', 'are missing; packing needs token ids');
  for (const [field, list] of [
    ['token_weight', row.token_weight],
    ['behavior_logprobs', rollout.behavior_logprobs],
    ['ref_logprobs', rollout.ref_logprobs],
  ] as const) {
    if (list == null || list.length === response.length) continue;
    throw badRollout(rollout, field, `has ${list.length} entries, response_ids has ${response.length}`);
  }
  return prompt.length + response.length;
}

function pack(batch: readonly Labelled[], count: number): PackedBatch {
  const out: PackedBatch = {
    tokens: new Int32Array(count),
    cuSeqlens: new Int32Array(batch.length + 1),
    mask: new Uint8Array(count),
    tokenWeights: new Float32Array(count).fill(1),
    behaviourLogp: new Float32Array(count).fill(Number.NaN),
    refLogp: new Float32Array(count).fill(Number.NaN),
    advantages: Float32Array.from(batch, ({ row }) => row.advantage),
    lengths: Int32Array.from(batch, ({ rollout }) => rollout.response_ids!.length),
    rolloutIds: batch.map(({ rollout }) => rollout.rollout_id),
  };
  let at = 0;
  for (const [i, { rollout, row }] of batch.entries()) {
    const [prompt, response] = [rollout.prompt_ids!, rollout.response_ids!];
    out.tokens.set(prompt, at);
    const start = at + prompt.length;
    at = start + response.length;
    out.tokens.set(response, start);
    out.mask.fill(1, start, at);
    out.tokenWeights.set(row.token_weight, start);
    if (rollout.behavior_logprobs != null) out.behaviourLogp.set(rollout.behavior_logprobs, start);
    if (rollout.ref_logprobs != null) out.refLogp.set(rollout.ref_logprobs, start);
    out.cuSeqlens[i + 1] = at;
  }
  return out;
}
