import { checkKeys, checkNumber, checkTensor, fail } from './check.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import type { Anchor, Objective } from './objectives.ts';
import { describe, Tensor } from './tensor.ts';

/** A packed batch: N tokens of B sequences one after the other. */
export interface PolicyLossInput {
  objective: Objective;
  /** [B + 1] offsets from 0 to N that do not decrease. */
  cuSeqlens: Int32Array | Float64Array;
  /** [N], of the policy being trained. */
  logp: Tensor<'f32'>;
  /** [N] each, where the objective's anchors name them. */
  oldLogp?: Tensor<'f32'>;
  behaviourLogp?: Tensor<'f32'>;
  refLogp?: Tensor<'f32'>;
  /** [B]. */
  advantages: Tensor<'f32'>;
  /** [N], default 1. */
  tokenWeights?: Tensor<'f32'>;
  /** [N], 0 leaves a token out: its other inputs may hold NaN and its gradient is exactly 0. */
  mask?: Uint8Array;
  /** [B], N_i; see `sequenceScales`. */
  seqScale: Tensor<'f32'>;
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
] as const;

/** Sums over the batch, never means: the consumer knows the global denominators. See lapidary.h for each. */
export type Diagnostics = Record<(typeof DIAGNOSTICS)[number], number>;

export interface PolicyLossResult {
  /** [N], dL/dlogp. */
  dlogp: Tensor<'f32'>;
  diagnostics: Diagnostics;
}

const ANCHORS: Record<Anchor, { code: number; input: 'oldLogp' | 'behaviourLogp' | 'refLogp' }> = {
  old: { code: 1, input: 'oldLogp' },
  behaviour: { code: 2, input: 'behaviourLogp' },
  ref: { code: 3, input: 'refLogp' },
};

function anchorCode(argument: string, anchor: Anchor, given: PolicyLossInput): number {
  const entry = ANCHORS[anchor];
  if (entry === undefined) fail(argument, 'old, behaviour or ref', describe(anchor));
  if (given[entry.input] === undefined) {
    fail(entry.input, `a Tensor, since ${argument} is "${anchor}"`, 'undefined');
  }
  return entry.code;
}

function objectiveArguments(given: PolicyLossInput): NativeArguments {
  const { gate, sequenceTerm } = given.objective;
  const args: NativeArguments = { gate: 0, ratioAnchor: 0, clipLow: 0, clipHigh: 0 };
  if (gate.kind === 'clip-surrogate') {
    args.gate = 1;
    args.ratioAnchor = anchorCode('objective.gate.anchor', gate.anchor, given);
    args.clipLow = checkNumber('objective.gate.clipLow', gate.clipLow, 0, 1);
    args.clipHigh = checkNumber('objective.gate.clipHigh', gate.clipHigh, 0, Number.MAX_VALUE);
  } else if (gate.kind !== 'unit') {
    fail('objective.gate.kind', 'unit or clip-surrogate', describe((gate as { kind: unknown }).kind));
  }
  Object.assign(args, { sequenceTerm: 0, sequenceAnchor: 0, tau: 0 });
  if (sequenceTerm === null) return args;
  if (sequenceTerm.kind !== 'square')
    fail('objective.sequenceTerm.kind', 'square', describe(sequenceTerm.kind));
  args.sequenceTerm = 1;
  args.sequenceAnchor = anchorCode('objective.sequenceTerm.anchor', sequenceTerm.anchor, given);
  args.tau = checkNumber('objective.sequenceTerm.tau', sequenceTerm.tau, 0, Number.MAX_VALUE);
  return args;
}

const KEYS: readonly string[] = [
  ...['objective', 'cuSeqlens', 'logp', 'oldLogp', 'behaviourLogp', 'refLogp'],
  ...['advantages', 'tokenWeights', 'mask', 'seqScale', 'dlogp'],
];

interface Prepared {
  args: NativeArguments;
  dlogp: Tensor<'f32'>;
  diagnostics: Float64Array;
}

function prepare(given: PolicyLossInput, stats: Float64Array | undefined): Prepared {
  checkKeys('input', given, KEYS);
  const { cuSeqlens, mask } = given;
  if (!(cuSeqlens instanceof Int32Array || cuSeqlens instanceof Float64Array) || cuSeqlens.length < 1) {
    fail('cuSeqlens', 'an Int32Array or Float64Array of B + 1 offsets', describe(cuSeqlens));
  }
  const sequences = cuSeqlens.length - 1;
  const tokens = checkTensor('logp', given.logp, ['f32'], [null]).size;
  if (mask !== undefined && (!(mask instanceof Uint8Array) || mask.length !== tokens)) {
    fail('mask', `a Uint8Array of ${tokens} elements`, describe(mask));
  }
  const optional = (name: 'oldLogp' | 'behaviourLogp' | 'refLogp' | 'tokenWeights') =>
    given[name] === undefined ? undefined : checkTensor(name, given[name], ['f32'], [tokens]).data;
  const dlogp = given.dlogp ?? Tensor.alloc('f32', [tokens]);
  checkTensor('dlogp', dlogp, ['f32'], [tokens]);
  const diagnostics = new Float64Array(new SharedArrayBuffer(8 * DIAGNOSTICS.length));
  const args: NativeArguments = {
    ...objectiveArguments(given),
    ...{ tokens, sequences, cuSeqlens, mask, diagnostics },
    ...{ logp: given.logp.data, dlogp: dlogp.data },
    ...{
      oldLogp: optional('oldLogp'),
      behaviourLogp: optional('behaviourLogp'),
      refLogp: optional('refLogp'),
    },
    tokenWeights: optional('tokenWeights'),
    advantages: checkTensor('advantages', given.advantages, ['f32'], [sequences]).data,
    seqScale: checkTensor('seqScale', given.seqScale, ['f32'], [sequences]).data,
    stats: stats ?? new Float64Array(new SharedArrayBuffer(16 * sequences)),
  };
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
 * Phase one alone: [2 B] f64, for each sequence (kept tokens, S). Ranks that share sequences add these up between
 * the phases.
 */
export function policyLossReduceSync(given: PolicyLossInput): Float64Array {
  const prepared = prepare(given, undefined);
  callSync(addon().policyLossReduce, prepared.args);
  return prepared.args.stats as Float64Array;
}

/** Phase two alone, from the (merged) stats of phase one. */
export function policyLossMapSync(given: PolicyLossInput, stats: Float64Array): PolicyLossResult {
  if (!(stats instanceof Float64Array) || stats.length !== 2 * (given.cuSeqlens.length - 1)) {
    fail('stats', 'a Float64Array of 2 elements per sequence', describe(stats));
  }
  const prepared = prepare(given, stats);
  callSync(addon().policyLossMap, prepared.args);
  return result(prepared);
}
