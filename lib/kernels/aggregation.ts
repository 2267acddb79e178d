import { checkInteger, checkKeys, checkNumber, fail } from './check.ts';
import { type GroupIds, membersOf } from './groups.ts';
import { Tensor } from './tensor.ts';

const AGGREGATIONS = [
  'seq-mean-token-mean',
  'token-mean',
  'group-token-mean',
  'seq-mean-token-sum',
  'seq-mean-token-sum-norm',
  'token-sum',
] as const;

/**
 * The per-sequence scale N_i that multiplies every kept token of sequence i. T tokens, B sequences and P groups are
 * counts of the *whole* optimiser batch (never of a micro-batch, see `totals`); n_i is the sequence's own count.
 * - 'seq-mean-token-mean': 1 / (B n_i), as BCPG and GRPO write it (TRL `grpo`; verl for GSPO and SAPO).
 * - 'token-mean': 1 / T, as DAPO is shipped (verl's default, TRL `dapo`; `bnpo` where T is the micro-batch's).
 * - 'group-token-mean': 1 / (P T_group), each prompt's tokens averaged first, as the DAPO paper (arXiv 2503.14476) writes it.
 * - 'seq-mean-token-sum': 1 / B. With a sequence-level ratio this is LUSPO, GSPO weighted by length.
 * - 'seq-mean-token-sum-norm': 1 / (B L) with a fixed L, Dr.GRPO (arXiv 2503.20783).
 * - 'token-sum': 1.
 * An empty sequence gets 0.
 */
export type Aggregation = (typeof AGGREGATIONS)[number];

export interface AggregationOptions {
  /**
   * Counts of the whole optimiser batch where `lengths` are those of one micro-batch: scales of the micro-batches
   * then add up to the whole. `groups` is needed by 'group-token-mean' alone, whose groups must not be split.
   */
  totals?: { tokens: number; sequences: number; groups?: number };
  /** Count sequences without a kept token in B, as TRL does; verl and OpenRLHF leave them out (default). */
  countEmpty?: boolean;
  /** L of 'seq-mean-token-sum-norm', in tokens. */
  fixedLength?: number;
  /** Group ids, one per sequence, for 'group-token-mean'. */
  groups?: GroupIds;
}

/** `lengths`: kept tokens per sequence. Gives [B] f32. */
export function sequenceScales(
  aggregation: Aggregation,
  lengths: ArrayLike<number>,
  options: AggregationOptions = {},
): Tensor<'f32'> {
  if (!AGGREGATIONS.includes(aggregation)) fail('aggregation', AGGREGATIONS.join(', '), String(aggregation));
  checkKeys('options', options, ['totals', 'countEmpty', 'fixedLength', 'groups']);
  for (let i = 0; i < lengths.length; i++) {
    checkInteger('lengths', lengths[i], 0, Number.MAX_SAFE_INTEGER);
  }
  const denominator = denominatorOf(aggregation, lengths, options);
  const scales = Tensor.alloc('f32', [lengths.length]);
  for (let i = 0; i < lengths.length; i++) {
    if (lengths[i]! > 0) scales.data[i] = 1 / denominator(i);
  }
  return scales;
}

function denominatorOf(
  aggregation: Aggregation,
  lengths: ArrayLike<number>,
  options: AggregationOptions,
): (sequence: number) => number {
  const { tokens, sequences } = totalsOf(lengths, options);
  switch (aggregation) {
    case 'seq-mean-token-mean':
      return (i) => sequences * lengths[i]!;
    case 'token-mean':
      return () => tokens;
    case 'group-token-mean':
      return groupDenominator(lengths, options);
    case 'seq-mean-token-sum':
      return () => sequences;
    case 'seq-mean-token-sum-norm': {
      const fixed = checkNumber('fixedLength', options.fixedLength, Number.MIN_VALUE, Number.MAX_VALUE);
      return () => sequences * fixed;
    }
    case 'token-sum':
      return () => 1;
  }
}

function totalsOf(
  lengths: ArrayLike<number>,
  { totals, countEmpty = false }: AggregationOptions,
): { tokens: number; sequences: number } {
  if (typeof countEmpty !== 'boolean') fail('countEmpty', 'true or false', String(countEmpty));
  let tokens = 0;
  let sequences = 0;
  for (let i = 0; i < lengths.length; i++) {
    tokens += lengths[i]!;
    if (countEmpty || lengths[i]! > 0) sequences += 1;
  }
  if (totals === undefined) return { tokens, sequences };
  checkKeys('totals', totals, ['tokens', 'sequences', 'groups']);
  return {
    tokens: checkInteger('totals.tokens', totals.tokens, tokens, Number.MAX_SAFE_INTEGER),
    sequences: checkInteger('totals.sequences', totals.sequences, sequences, Number.MAX_SAFE_INTEGER),
  };
}

/** P counts the groups with a kept token, or every group with `countEmpty`. */
function groupDenominator(lengths: ArrayLike<number>, options: AggregationOptions): (i: number) => number {
  const { groups, totals, countEmpty = false } = options;
  if (groups === undefined) fail('groups', 'group ids, since aggregation is "group-token-mean"', 'undefined');
  const tokensOf = new Float64Array(lengths.length);
  let count = 0;
  for (const members of membersOf(groups, lengths.length)) {
    const tokens = members.reduce((sum, i) => sum + lengths[i]!, 0);
    if (countEmpty || tokens > 0) count += 1;
    for (const i of members) tokensOf[i] = tokens;
  }
  const all =
    totals === undefined
      ? count
      : checkInteger('totals.groups', totals.groups, count, Number.MAX_SAFE_INTEGER);
  return (i) => all * tokensOf[i]!;
}
