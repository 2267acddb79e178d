import { driftOf, type OracleSequence } from '../oracle/policy-loss-batch.ts';
import type { OracleObjective } from '../oracle/policy-loss-family.ts';
import * as gates from '../oracle/policy-loss-gates.ts';
import { type Formulas, type Given, k3, MEAN, OLD, type OracleFormula } from './oracle-formulas.ts';

/** TRL: every sequence counts, and `dapo` divides by tokens of the whole optimiser batch. */
function trl(objective: OracleObjective, lossType?: string, length?: number): OracleFormula {
  switch (lossType) {
    case 'grpo':
      return { objective, aggregation: 'seq-mean-token-mean', options: { countEmpty: true } };
    case 'bnpo':
      return { objective, aggregation: 'token-mean' };
    case 'dr_grpo':
      return {
        objective,
        aggregation: 'seq-mean-token-sum-norm',
        options: { countEmpty: true, fixedLength: length! },
      };
    default:
      return {
        objective,
        aggregation: 'token-mean',
        options: { totals: { tokens: 400, sequences: 400 } },
      };
  }
}

function trlGrpo(p: Given): OracleFormula {
  const objective: OracleObjective = {
    gate: gates.clipSurrogate(p.low, p.high, Infinity, p.delta ?? Infinity),
    ratio: p.level === 'sequence' ? MEAN : OLD,
  };
  if (p.beta) objective.kl = { ...k3(p.beta), gradient: p.corrected ? 'ratio' : 'own' };
  return trl(objective, p.loss_type, p.length);
}

function rolloutImportance(p: Given): OracleFormula {
  const [level, outside] = p.mode.split('_');
  const objective: OracleObjective = {
    gate: gates.clipSurrogate(0.2, 0.28),
    ratio: OLD,
    importance: {
      numerator: 'old',
      level: level === 'sequence' ? 'sequence-sum' : 'token',
      low: 0,
      high: p.cap,
      outside: outside === 'mask' ? 'drop' : 'cut',
    },
  };
  return trl(objective, 'dapo');
}

export const TRL: Formulas = {
  grpo: trlGrpo,
  bnpo: trlGrpo,
  dr_grpo: trlGrpo,
  dapo: trlGrpo,
  'two-sided delta': trlGrpo,
  use_bias_correction_kl: trlGrpo,
  gspo: trlGrpo,
  cispo: (p) => {
    const bounds: [number, number] = [0, p.high];
    const gate = gates.clipWeight({ positive: bounds, negative: bounds });
    return trl({ gate, ratio: OLD, kl: k3(p.beta ?? 0) }, 'cispo');
  },
  sapo: (p) => trl({ gate: gates.sapo(p.positive, p.negative), ratio: OLD }, 'grpo'),
  luspo: (p) => ({
    objective: { gate: gates.clipSurrogate(p.low, p.high), ratio: MEAN },
    aggregation: 'seq-mean-token-sum',
    options: { countEmpty: true },
  }),
  vespo: (p) => {
    return trl({ gate: gates.gamma(p.k, p.rate), ratio: { anchor: 'old', level: 'sequence-sum' } }, 'vespo');
  },
  'off-policy sequence mask': (p) => {
    const sequenceInside = (of: OracleSequence) =>
      of.advantage >= 0 || -driftOf(of, 'behaviour', true) <= p.threshold;
    return trl({ gate: gates.clipSurrogate(0.2, 0.2), ratio: OLD, sequenceInside }, 'grpo');
  },
  'rollout importance': rolloutImportance,
  rloo: (p) => ({
    objective: { gate: gates.clipSurrogate(p.low, p.high), ratio: { anchor: 'old', level: 'sequence-sum' } },
    aggregation: 'seq-mean-token-mean',
    options: { countEmpty: true },
  }),
};
