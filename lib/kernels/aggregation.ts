import { checkInteger, fail } from './check.ts';
import { Tensor } from './tensor.ts';

const AGGREGATIONS = ['seq-mean-token-mean', 'token-mean', 'seq-mean-token-sum'] as const;

/**
 * The per-sequence scale N_i, from counts of the *whole* optimiser batch (never of a micro-batch):
 * - 'seq-mean-token-mean': 1 / (B n_i), as BCPG and GRPO write it; B counts the sequences with a kept token.
 * - 'token-mean': 1 / T, as DAPO.
 * - 'seq-mean-token-sum': 1 / B.
 * An empty sequence gets 0.
 */
export type Aggregation = (typeof AGGREGATIONS)[number];

/** `lengths`: kept tokens per sequence of the whole batch. Gives [B] f32. */
export function sequenceScales(aggregation: Aggregation, lengths: ArrayLike<number>): Tensor<'f32'> {
  if (!AGGREGATIONS.includes(aggregation)) fail('aggregation', AGGREGATIONS.join(', '), String(aggregation));
  const scales = Tensor.alloc('f32', [lengths.length]);
  let tokens = 0;
  let sequences = 0;
  for (let i = 0; i < lengths.length; i++) {
    tokens += checkInteger('lengths', lengths[i], 0, Number.MAX_SAFE_INTEGER);
    if (lengths[i]! > 0) sequences += 1;
  }
  for (let i = 0; i < lengths.length; i++) {
    if (lengths[i]! > 0) scales.data[i] = scaleOf(aggregation, lengths[i]!, tokens, sequences);
  }
  return scales;
}

function scaleOf(aggregation: Aggregation, length: number, tokens: number, sequences: number): number {
  switch (aggregation) {
    case 'seq-mean-token-mean':
      return 1 / (sequences * length);
    case 'token-mean':
      return 1 / tokens;
    case 'seq-mean-token-sum':
      return 1 / sequences;
  }
}
