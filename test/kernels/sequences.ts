import type { Objective } from '../../lib/kernels/objectives.ts';
import type { PolicyLossInput, PolicyLossResult } from '../../lib/kernels/policy-loss.ts';
import type { OracleSequence, OracleToken } from '../oracle/policy-loss.ts';
import { NFT_QUALITY } from '../oracle/policy-loss-objective.ts';
import type { Random } from '../random.ts';
import { floats, normal } from './batches.ts';

const f32 = Math.fround;

/** A token whose log-ratios are of order `drift`; weights are 1, beta or 0, as NSA gives them. */
export function randomToken(random: Random, drift: number, keep: number): OracleToken {
  const logp = f32(-3 * random.next());
  const near = (): number => Math.min(f32(logp - drift * normal(random)), f32(-0.001));
  const weight = random.next() < 0.5 ? 1 : f32(random.pick([0.5, -1, -0.3, 0, 2 * random.next() - 1]));
  return { logp, old: near(), behaviour: near(), ref: near(), weight, kept: random.next() < keep };
}

export interface SequenceOptions {
  count: number;
  longest?: number;
  drift?: number;
  /** Probability that a token is kept. */
  keep?: number;
}

/** Sequences of 0 to `longest` tokens, every f32 input exact in float64. One in four has A = 0. */
export function randomSequences(random: Random, options: SequenceOptions): OracleSequence[] {
  const { count, longest = 12, drift = 0.4, keep = 0.8 } = options;
  return Array.from({ length: count }, (_, i) => ({
    advantage: i % 4 === 3 ? 0 : f32(normal(random)),
    scale: f32(random.next() / 4),
    tokens: Array.from({ length: random.int(0, longest) }, () => randomToken(random, drift, keep)),
  }));
}

export type PackedInput = PolicyLossInput & Required<Pick<PolicyLossInput, 'cuSeqlens'>>;

/** The packed batch of these sequences. Tokens left out hold NaN in every input: nobody may look. */
export function pack(objective: Objective, sequences: readonly OracleSequence[]): PackedInput {
  const tokens = sequences.flatMap((sequence) => sequence.tokens);
  const column = (name: 'logp' | 'old' | 'behaviour' | 'ref' | 'weight') =>
    floats(tokens.map((token) => (token.kept ? token[name] : Number.NaN)));
  const cuSeqlens = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, i) => {
    cuSeqlens[i + 1] = cuSeqlens[i]! + sequence.tokens.length;
  });
  const own = sequences.flatMap((of) => of.tokens.map((token) => token.advantage ?? of.advantage));
  return {
    objective,
    cuSeqlens,
    ...(tokens.some((token) => token.advantage !== undefined) && { tokenAdvantages: floats(own) }),
    logp: column('logp'),
    oldLogp: column('old'),
    behaviourLogp: column('behaviour'),
    refLogp: column('ref'),
    tokenWeights: column('weight'),
    mask: Uint8Array.from(tokens, (token) => (token.kept ? 1 : 0)),
    advantages: floats(sequences.map((sequence) => sequence.advantage)),
    seqScale: floats(sequences.map((sequence) => sequence.scale)),
    nftQuality: floats(sequences.map(() => NFT_QUALITY)),
  };
}

/** The gradient of sequence `i` in a packed result. */
export function sequenceGradient(given: PackedInput, result: PolicyLossResult, i: number): Float32Array {
  return result.dlogp.data.slice(given.cuSeqlens[i]!, given.cuSeqlens[i + 1]!);
}
