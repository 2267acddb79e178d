import { driftOf, type OracleSequence } from '../oracle/policy-loss-batch.ts';
import type { OracleImportance, OracleKl } from '../oracle/policy-loss-family.ts';
import * as gates from '../oracle/policy-loss-gates.ts';
import * as losses from '../oracle/policy-loss-sequences.ts';
import {
  BEHAVIOUR,
  type Formulas,
  type Given,
  MEAN,
  NONE,
  OLD,
  type OracleFormula,
} from './oracle-formulas.ts';

const still: gates.Term = () => 0;

function openRlhf(p: Given): Pick<OracleFormula, 'aggregation'> {
  return { aggregation: p.token_level === false ? 'seq-mean-token-mean' : 'token-mean' };
}

function correction(p: Given): OracleImportance {
  const outside = p.kind === 'tis' ? 'cut' : 'drop';
  const bounds = { numerator: 'old', low: p.low, high: p.high, outside } as const;
  return p.kind === 'seq-mask-tis'
    ? { ...bounds, level: 'sequence-mean', ownWeight: true }
    : { ...bounds, level: 'token' };
}

export const OPENRLHF: Formulas = {
  ppo: (p) => ({
    objective: { gate: gates.clipSurrogate(p.low, p.high, p.dual ?? Infinity), ratio: OLD },
    ...openRlhf(p),
  }),
  gspo: (p) => ({
    objective: { gate: gates.clipSurrogate(p.low, p.high), ratio: MEAN },
    aggregation: 'seq-mean-token-mean',
  }),
  'ppo, rollout correction': (p) => ({
    objective: { gate: gates.clipSurrogate(0.2, 0.2), ratio: OLD, importance: correction(p) },
    aggregation: 'token-mean',
  }),
  'ppo + compute_approx_kl': (p) => {
    const kind = p.kind as OracleKl['kind'];
    const kl: OracleKl = {
      kind,
      anchor: 'ref',
      coefficient: p.coefficient,
      gradient: 'own',
      outputBound: 10,
    };
    return { objective: { gate: gates.clipSurrogate(0.2, 0.2), ratio: OLD, kl }, aggregation: 'token-mean' };
  },
  dpo: (p) => pairs((d) => losses.logisticPair(d, p.beta, p.smoothing ?? 0, 0)),
  'ipo (sums)': (p) => pairs((d) => losses.squarePair(d, p.beta)),
};

/** Of each sequence, times its own scale. */
function each(loss: (sequence: OracleSequence) => number): OracleFormula {
  const whole = (all: readonly OracleSequence[]) =>
    all.reduce((sum, sequence) => sum + sequence.scale * loss(sequence), 0);
  return {
    objective: { gate: still, ratio: NONE, whole },
    aggregation: 'token-sum',
    scale: (count) => 1 / count,
  };
}

/** Of the difference of a pair's drifts; the mean over pairs. */
function pairs(loss: (d: number) => number, anchor: 'ref' | null = 'ref', mean = false): OracleFormula {
  const whole = (all: readonly OracleSequence[]) =>
    all.reduce((sum, chosen, i) => {
      if (i % 2 === 1) return sum;
      return sum + chosen.scale * loss(driftOf(chosen, anchor, mean) - driftOf(all[i + 1]!, anchor, mean));
    }, 0);
  return {
    objective: { gate: still, ratio: NONE, whole, coupled: 2 },
    aggregation: 'token-sum',
    scale: (count) => 2 / count,
  };
}

export const PREFERENCES: Formulas = {
  'dpo sigmoid': (p) => pairs((d) => losses.logisticPair(d, p.beta, p.smoothing ?? 0, 0)),
  // (1 - e, -e) / (1 - 2 e) are weights that add up to 1, as those of a negative smoothing do.
  'dpo robust': (p) => pairs((d) => losses.logisticPair(d, p.beta, -p.smoothing / (1 - 2 * p.smoothing), 0)),
  'dpo ipo (means)': (p) => pairs((d) => losses.squarePair(d, p.beta), 'ref', true),
  'dpo sigmoid_norm (means)': (p) => pairs((d) => losses.logisticPair(d, p.beta, 0, 0), 'ref', true),
  'dpo hinge': (p) => pairs((d) => losses.hingePair(d, p.beta)),
  'dpo sppo_hard': (p) => {
    const whole = (all: readonly OracleSequence[]) =>
      all.reduce(
        (sum, of, i) => sum + of.scale * losses.sppoHard(driftOf(of, 'ref'), p.beta, i % 2 === 0),
        0,
      );
    return { ...pairs(() => 0), objective: { gate: still, ratio: NONE, whole, coupled: 2 } };
  },
  simpo: (p) => pairs((d) => losses.logisticPair(d, p.beta, 0, p.gamma), null, true),
  kto: (p) =>
    each((of) => {
      const desirable = of.advantage > 0;
      return losses.kto(driftOf(of, 'ref'), p.beta, p.z0, desirable, desirable ? p.desirable : p.undesirable);
    }),
  npo: (p) => each((of) => losses.npo(driftOf(of, 'ref'), p.beta)),
};

function square(anchor: 'old' | 'ref', tau: number): OracleFormula {
  const whole = (all: readonly OracleSequence[]) =>
    all.reduce((sum, of) => sum + of.scale * losses.square(driftOf(of, anchor), tau), 0);
  return { objective: { gate: gates.unit, ratio: NONE, whole }, aggregation: 'seq-mean-token-mean' };
}

function topr(level: 'token' | 'sequence-sum'): OracleFormula {
  const gate = gates.clipWeight({ positive: null, negative: [0, 1] });
  return { objective: { gate, ratio: { anchor: 'behaviour', level } }, aggregation: 'token-mean' };
}

export const OTHERS: Record<string, Formulas> = {
  OpenKimi: { opmd: (p) => square('old', p.tau) },
  'arXiv 2505.14403': { 'objective (BCPG)': (p) => square('ref', p.tau) },
  'arXiv 2503.14286 eq. 8': { 'topr, sequence ratio': () => topr('sequence-sum') },
  'prime-rl': {
    'default (DPPO-TV mask + squared log-ratio)': (p) => ({
      objective: {
        gate: gates.ratio,
        ratio: BEHAVIOUR,
        inside: (token, advantage) => {
          const moved = Math.exp(token.logp) - Math.exp(token.behaviour);
          return advantage > 0 ? moved <= p.high : moved >= -p.low;
        },
        kl: { kind: 'square', anchor: 'behaviour', coefficient: p.tau, gradient: 'own' },
      },
      aggregation: 'token-mean',
    }),
  },
  'NeMo-RL': {
    "reference KL, k3 with the ratio's score": (p) => ({
      objective: {
        gate: still,
        ratio: NONE,
        kl: { kind: 'k3', anchor: 'ref', coefficient: p.coefficient, gradient: 'score' },
      },
      aggregation: 'token-mean',
    }),
  },
  'Trinity-RFT': {
    opmd: (p) => ({
      objective: { gate: (live, _, advantage) => (-advantage * live.logp) / (1 + p.tau), ratio: NONE },
      aggregation: 'token-mean',
    }),
    sppo: (p) => ({
      objective: {
        gate: (live, held, advantage) => {
          const rho = Math.exp(held.logRatio);
          return rho >= 1 / (1 + p.epsilon) && rho <= 1 + p.epsilon ? -advantage * live.logRatio : 0;
        },
        ratio: OLD,
      },
      aggregation: 'token-mean',
    }),
    'topr, token ratio': () => topr('token'),
  },
  'NVlabs/NFT': {
    nft: (p) => ({
      objective: { gate: gates.nft(p.quality, p.floor, 1), ratio: OLD },
      aggregation: 'token-mean',
    }),
  },
};
