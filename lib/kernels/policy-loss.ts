import { checkInteger, checkKeys, checkTensor, fail } from './check.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import type { Objective } from './objective.ts';
import { objectiveArguments } from './objective-arguments.ts';
import { describe, Tensor } from './tensor.ts';

/** A batch: N tokens of B sequences, packed one after the other or in padded rows. */
export interface PolicyLossInput {
  objective: Objective;
  /** [B + 1] offsets from 0 to N that do not decrease; or `padded`. */
  cuSeqlens?: Int32Array | Float64Array;
  /** B rows of `stride` tokens, of which the first `lengths` ([B], default all) are the sequence's; g is 0 beyond. */
  padded?: { stride: number; lengths?: Int32Array | Float64Array };
  /** [N], of the policy being trained. */
  logp: Tensor<'f32'>;
  /** [N] each, where the objective's anchors name them. */
  oldLogp?: Tensor<'f32'>;
  behaviourLogp?: Tensor<'f32'>;
  refLogp?: Tensor<'f32'>;
  /** [B]. */
  advantages: Tensor<'f32'>;
  /** [N], in place of the sequence's advantage in the gates. */
  tokenAdvantages?: Tensor<'f32'>;
  /** [N], default 1. */
  tokenWeights?: Tensor<'f32'>;
  /** [N], 0 leaves a token out: its other inputs may hold NaN and its gradient is exactly 0. */
  mask?: Uint8Array;
  /** [B], N_i; see `sequenceScales`. */
  seqScale: Tensor<'f32'>;
  /** [B], 0 <= q < 1, of an NFT gate. */
  nftQuality?: Tensor<'f32'>;
  /** [2 P] indices of sequences: chosen, rejected; one may be in several. Default: pair k is (2 k, 2 k + 1). */
  pairs?: Int32Array | Float64Array;
  /** [N], where to write dL/dlogp; default: a new tensor. */
  dlogp?: Tensor<'f32'>;
}

/** Names of the diagnostics in the order of `lap_diagnostic` in lapidary.h: sums, counts and extrema. */
export const DIAGNOSTICS = [
  'loss',
  'policyLoss',
  'sequenceLoss',
  'tokens',
  'sequences',
  'clipped',
  'ratioOverflow',
  'constraintReversed',
  'positiveTokens',
  'positiveLogp',
  'relievedTokens',
  'relievedLogp',
  'penalisedTokens',
  'penalisedLogp',
  'sSum',
  'sSquares',
  'sMaxAbs',
  'gradAbsMax',
  'klLoss',
  'clippedLow',
  'clippedHigh',
  'clippedDual',
  'ratioTokens',
  'ratioSum',
  'ratioMax',
  'klK1Sum',
  'klValues',
  'importanceSum',
  'importanceSquares',
  'importanceMax',
  'pushAbs',
  'pullAbs',
  'positiveSequences',
  'positiveSSum',
  'positiveSSquares',
  'positiveSMaxAbs',
  'negativeSequences',
  'negativeSSum',
  'negativeSSquares',
  'negativeSMaxAbs',
  'pairs',
  'chosenRewards',
  'rejectedRewards',
  'pairsRight',
  'nonFinite',
] as const;

/** Diagnostics that are extrema: batches merge by the larger one. All others add up. */
export const EXTREMA: readonly (typeof DIAGNOSTICS)[number][] = [
  ...(['sMaxAbs', 'gradAbsMax', 'ratioMax', 'importanceMax', 'positiveSMaxAbs', 'negativeSMaxAbs'] as const),
];

/** Doubles of a sequence in the stats of phase one: see `lap_sequence_stats`. */
export const SEQUENCE_STATS = 5;

/** Sums over the batch, never means: the consumer knows the global denominators. See lapidary.h for each. */
export type Diagnostics = Record<(typeof DIAGNOSTICS)[number], number>;

export interface PolicyLossResult {
  /** [N], dL/dlogp. */
  dlogp: Tensor<'f32'>;
  diagnostics: Diagnostics;
}

const KEYS: readonly string[] = [
  ...['objective', 'cuSeqlens', 'logp', 'oldLogp', 'behaviourLogp', 'refLogp'],
  ...['advantages', 'tokenAdvantages', 'tokenWeights', 'mask', 'seqScale', 'dlogp'],
  ...['padded', 'nftQuality', 'pairs'],
];

const OPTIONAL = [
  ...(['oldLogp', 'behaviourLogp', 'refLogp'] as const),
  ...(['tokenAdvantages', 'tokenWeights', 'nftQuality'] as const),
] as const;

interface Prepared {
  args: NativeArguments;
  dlogp: Tensor<'f32'>;
  diagnostics: Float64Array;
}

function isOffsets(value: unknown): value is Int32Array | Float64Array {
  return value instanceof Int32Array || value instanceof Float64Array;
}

/** Where sequences lie: offsets, or rows of one stride. */
function layoutOf(
  { cuSeqlens, padded }: PolicyLossInput,
  tokens: number,
): NativeArguments & { sequences: number } {
  if (padded === undefined) {
    if (!isOffsets(cuSeqlens) || cuSeqlens.length < 1) {
      fail('cuSeqlens', 'an Int32Array or Float64Array of B + 1 offsets', describe(cuSeqlens));
    }
    return { sequences: cuSeqlens.length - 1, cuSeqlens };
  }
  if (cuSeqlens !== undefined) fail('padded', 'cuSeqlens or padded, not both', 'both');
  const { stride, lengths } = padded;
  const rowStride = checkInteger('padded.stride', stride, 1, Number.MAX_SAFE_INTEGER);
  const sequences = tokens / rowStride;
  if (!Number.isInteger(sequences)) fail('padded.stride', `a divisor of ${tokens} tokens`, String(stride));
  if (lengths !== undefined && (!isOffsets(lengths) || lengths.length !== sequences)) {
    fail('padded.lengths', `an Int32Array or Float64Array of ${sequences} lengths`, describe(lengths));
  }
  return { sequences, rowStride, lengths };
}

function prepare(given: PolicyLossInput, stats: Float64Array | undefined): Prepared {
  checkKeys('input', given, KEYS);
  const { mask, pairs } = given;
  const tokens = checkTensor('logp', given.logp, ['f32'], [null]).size;
  const layout = layoutOf(given, tokens);
  const { sequences } = layout;
  if (mask !== undefined && (!(mask instanceof Uint8Array) || mask.length !== tokens)) {
    fail('mask', `a Uint8Array of ${tokens} elements`, describe(mask));
  }
  if (pairs !== undefined && (!isOffsets(pairs) || pairs.length % 2 !== 0)) {
    fail('pairs', 'an Int32Array or Float64Array of 2 indices per pair', describe(pairs));
  }
  const optional = (name: (typeof OPTIONAL)[number], size: number) =>
    given[name] === undefined ? undefined : checkTensor(name, given[name], ['f32'], [size]).data;
  const dlogp = given.dlogp ?? Tensor.alloc('f32', [tokens]);
  checkTensor('dlogp', dlogp, ['f32'], [tokens]);
  const diagnostics = new Float64Array(new SharedArrayBuffer(8 * DIAGNOSTICS.length));
  const args: NativeArguments = {
    ...objectiveArguments(given.objective, given),
    ...layout,
    ...{ tokens, mask, diagnostics, logp: given.logp.data, dlogp: dlogp.data },
    ...Object.fromEntries(
      OPTIONAL.map((name) => [name, optional(name, name === 'nftQuality' ? sequences : tokens)]),
    ),
    ...(pairs === undefined ? {} : { pairs, pairCount: pairs.length / 2 }),
    advantages: checkTensor('advantages', given.advantages, ['f32'], [sequences]).data,
    seqScale: checkTensor('seqScale', given.seqScale, ['f32'], [sequences]).data,
    stats: stats ?? new Float64Array(new SharedArrayBuffer(8 * SEQUENCE_STATS * sequences)),
  };
  if (stats !== undefined && stats.length !== SEQUENCE_STATS * sequences) {
    fail('stats', `a Float64Array of ${SEQUENCE_STATS} elements per sequence`, describe(stats));
  }
  return { args, dlogp, diagnostics };
}

function result({ dlogp, diagnostics }: Prepared): PolicyLossResult {
  const named = Object.fromEntries(DIAGNOSTICS.map((name, i) => [name, diagnostics[i]!]));
  return { dlogp, diagnostics: named as Diagnostics };
}

/**
 * The loss of a packed batch under an objective: its gradient with respect to each log-prob, and diagnostics.
 * Sequences are summed first (S in f64, per-token differences before sums), then tokens are mapped.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT for wrong shapes, offsets, or an anchor without its log-probs.
 */
export async function policyLoss(
  given: PolicyLossInput,
  options: { signal?: AbortSignal } = {},
): Promise<PolicyLossResult> {
  const prepared = prepare(given, undefined);
  await callAsync(addon().policyLoss, prepared.args, options.signal);
  return result(prepared);
}

/** {@link policyLoss} on the calling thread. */
export function policyLossSync(given: PolicyLossInput): PolicyLossResult {
  const prepared = prepare(given, undefined);
  callSync(addon().policyLoss, prepared.args);
  return result(prepared);
}

/**
 * Phase one alone: [5 B] f64, for each sequence the sums of `lap_sequence_stats`. Ranks that share sequences add these up between
 * the phases.
 */
export function policyLossReduceSync(given: PolicyLossInput): Float64Array {
  const prepared = prepare(given, undefined);
  callSync(addon().policyLossReduce, prepared.args);
  return prepared.args.stats as Float64Array;
}

/** Phase two alone, from the (merged) stats of phase one. */
export function policyLossMapSync(given: PolicyLossInput, stats: Float64Array): PolicyLossResult {
  if (!(stats instanceof Float64Array)) {
    fail('stats', `a Float64Array of ${SEQUENCE_STATS} elements per sequence`, describe(stats));
  }
  const prepared = prepare(given, stats);
  callSync(addon().policyLossMap, prepared.args);
  return result(prepared);
}
