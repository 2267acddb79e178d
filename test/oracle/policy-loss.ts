import type { Objective } from '../../lib/kernels/objectives.ts';
import type { OracleSequence } from './policy-loss-batch.ts';
import { familyGradient, familyLoss, tokenTerms } from './policy-loss-family.ts';
import { oracleObjective, termDrift } from './policy-loss-objective.ts';

export type { OracleSequence, OracleToken } from './policy-loss-batch.ts';

export interface SequenceLoss {
  policy: number;
  constraint: number;
  /** S, the sum of log-ratios to the constraint's anchor. */
  s: number;
}

/** The two terms of one sequence, without its scale: sum_t policy + (tau / 2) S^2. */
export function sequenceLoss(objective: Objective, sequence: OracleSequence): SequenceLoss {
  const oracle = oracleObjective(objective);
  const { sequenceTerm } = objective;
  return {
    policy: tokenTerms(oracle, sequence, sequence).policy,
    constraint: oracle.whole?.([{ ...sequence, scale: 1 }]) ?? 0,
    s: sequenceTerm === null ? 0 : termDrift(sequenceTerm, sequence),
  };
}

export function oracleLoss(objective: Objective, sequences: readonly OracleSequence[]): number {
  return familyLoss(oracleObjective(objective), sequences);
}

/** dL/dlogp of every token by central differences; 0 where a token is left out. */
export function oracleGradient(objective: Objective, sequences: readonly OracleSequence[]): number[] {
  return familyGradient(oracleObjective(objective), sequences);
}

/** The gradient of the log-linear family in closed form: -N (w A - tau S). */
export function oracleUnitGradient(objective: Objective, sequences: readonly OracleSequence[]): number[] {
  const { sequenceTerm } = objective;
  const tau = sequenceTerm?.kind === 'square' ? Math.fround(sequenceTerm.tau) : 0;
  return sequences.flatMap((sequence) => {
    const { s } = sequenceLoss(objective, sequence);
    return sequence.tokens.map((token) =>
      token.kept ? -sequence.scale * (token.weight * sequence.advantage - tau * s) : 0,
    );
  });
}
