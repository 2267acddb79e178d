import { checkInteger, checkKeys, checkTensor, fail } from './check.ts';
import { DIAGNOSTICS, type Diagnostics, namedDiagnostics, SEQUENCE_STATS } from './diagnostics.ts';
import { addon, callAsync, callSync, type NativeArguments, type NativeMemory } from './native.ts';
import type { Objective } from './objective.ts';
import { objectiveArguments } from './objective-arguments.ts';
import { allocFor, Place } from './place.ts';
import type { Stream } from './stream.ts';
import { describe, type Tensor } from './tensor.ts';

export { DIAGNOSTICS, type Diagnostics, EXTREMA, SEQUENCE_STATS } from './diagnostics.ts';

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

export interface PolicyLossOptions {
  /** Of tensors on a device: the stream to work on; default the device's own. */
  stream?: Stream;
}

/** What runs of the two phases, and what is given in place of new memory. */
interface Parts {
  phase?: 'both' | 'reduce' | 'map';
  stats?: Float64Array;
  /** On the device, where nobody waits for them. */
  diagnostics?: NativeMemory;
}

interface Prepared {
  args: NativeArguments;
  /** Not of the reduce phase. */
  dlogp: Tensor<'f32'> | undefined;
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

function prepare(
  given: PolicyLossInput,
  options: PolicyLossOptions,
  { phase = 'both', stats, diagnostics }: Parts = {},
): Prepared {
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
    given[name] === undefined ? undefined : checkTensor(name, given[name], ['f32'], [size]).memory;
  const place = new Place(given.logp, options.stream).native;
  const dlogp = given.dlogp ?? (phase === 'reduce' ? undefined : allocFor(place, 'f32', [tokens]));
  if (dlogp !== undefined) checkTensor('dlogp', dlogp, ['f32'], [tokens]);
  const numbers = new Float64Array(new SharedArrayBuffer(8 * DIAGNOSTICS.length));
  // On a device both phases in one call keep the sums to themselves.
  const hidden = place.stream !== undefined && phase === 'both';
  const args: NativeArguments = {
    ...objectiveArguments(given.objective, given),
    ...{ ...layout, ...place },
    ...{ tokens, mask, logp: given.logp.memory, dlogp: dlogp?.memory },
    diagnostics: diagnostics ?? numbers,
    ...Object.fromEntries(
      OPTIONAL.map((name) => [name, optional(name, name === 'nftQuality' ? sequences : tokens)]),
    ),
    ...(pairs === undefined ? {} : { pairs, pairCount: pairs.length / 2 }),
    advantages: checkTensor('advantages', given.advantages, ['f32'], [sequences]).memory,
    seqScale: checkTensor('seqScale', given.seqScale, ['f32'], [sequences]).memory,
    stats:
      stats ?? (hidden ? undefined : new Float64Array(new SharedArrayBuffer(8 * SEQUENCE_STATS * sequences))),
  };
  if (stats !== undefined && stats.length !== SEQUENCE_STATS * sequences) {
    fail('stats', `a Float64Array of ${SEQUENCE_STATS} elements per sequence`, describe(stats));
  }
  return { args, dlogp, diagnostics: numbers };
}

function result({ dlogp, diagnostics }: Prepared): PolicyLossResult {
  return { dlogp: dlogp!, diagnostics: namedDiagnostics(diagnostics) };
}

/**
 * The loss of a packed batch under an objective: its gradient with respect to each log-prob, and diagnostics.
 * Sequences are summed first (S in f64, per-token differences before sums), then tokens are mapped.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT for wrong shapes, offsets, or an anchor without its log-probs.
 */
export async function policyLoss(
  given: PolicyLossInput,
  options: PolicyLossOptions & { signal?: AbortSignal } = {},
): Promise<PolicyLossResult> {
  const prepared = prepare(given, options);
  await callAsync(addon().policyLoss, prepared.args, options.signal);
  return result(prepared);
}

/** {@link policyLoss} on the calling thread; waits for the diagnostics of a device. */
export function policyLossSync(given: PolicyLossInput, options: PolicyLossOptions = {}): PolicyLossResult {
  const prepared = prepare(given, options);
  callSync(addon().policyLoss, prepared.args);
  return result(prepared);
}

/** {@link policyLoss} of tensors on a device with its diagnostics left there, as f64: nothing waits for it. */
export function enqueuePolicyLoss(
  given: PolicyLossInput,
  options: PolicyLossOptions,
  diagnostics: NativeMemory,
): void {
  callSync(addon().policyLoss, prepare(given, options, { diagnostics }).args);
}

/**
 * Phase one alone: [5 B] f64, for each sequence the sums of `lap_sequence_stats`. Ranks that share sequences add these up between
 * the phases.
 */
export function policyLossReduceSync(given: PolicyLossInput, options: PolicyLossOptions = {}): Float64Array {
  const prepared = prepare(given, options, { phase: 'reduce' });
  callSync(addon().policyLossReduce, prepared.args);
  return prepared.args.stats as Float64Array;
}

/** Phase two alone, from the (merged) stats of phase one. */
export function policyLossMapSync(
  given: PolicyLossInput,
  stats: Float64Array,
  options: PolicyLossOptions = {},
): PolicyLossResult {
  if (!(stats instanceof Float64Array)) {
    fail('stats', `a Float64Array of ${SEQUENCE_STATS} elements per sequence`, describe(stats));
  }
  const prepared = prepare(given, options, { phase: 'map', stats });
  callSync(addon().policyLossMap, prepared.args);
  return result(prepared);
}
