import type { Objective } from '../../lib/kernels/objectives.ts';

/** One token's inputs in float64. A token that is not `kept` contributes nothing and its numbers are not looked at. */
export interface OracleToken {
  logp: number;
  old: number;
  behaviour: number;
  ref: number;
  weight: number;
  kept: boolean;
}

export interface OracleSequence {
  advantage: number;
  scale: number;
  tokens: OracleToken[];
}

export interface SequenceLoss {
  policy: number;
  constraint: number;
  /** S, the sum of log-ratios to the constraint's anchor. */
  s: number;
}

/** Log-ratios are cut to +-20 before exp, as the contract says. */
const LOG_RATIO_BOUND = 20;

/** -w A l, or -w min(rho A, clip(rho, 1 - low, 1 + high) A). */
function policyTerm(objective: Objective, token: OracleToken, advantage: number): number {
  const { gate } = objective;
  if (advantage * token.weight === 0) return 0;
  if (gate.kind === 'unit') return -token.weight * advantage * token.logp;
  const logRatio = token.logp - token[gate.anchor];
  const ratio = Math.exp(Math.min(Math.max(logRatio, -LOG_RATIO_BOUND), LOG_RATIO_BOUND));
  const clipped = Math.min(Math.max(ratio, 1 - Math.fround(gate.clipLow)), 1 + Math.fround(gate.clipHigh));
  return -token.weight * Math.min(ratio * advantage, clipped * advantage);
}

/** The two terms of one sequence, without its scale: sum_t policy + (tau / 2) S^2. */
export function sequenceLoss(objective: Objective, sequence: OracleSequence): SequenceLoss {
  const { sequenceTerm } = objective;
  const kept = sequence.tokens.filter((token) => token.kept);
  let policy = 0;
  let s = 0;
  for (const token of kept) {
    policy += policyTerm(objective, token, sequence.advantage);
    if (sequenceTerm !== null) s += token.logp - token[sequenceTerm.anchor];
  }
  const constraint = sequenceTerm === null ? 0 : (Math.fround(sequenceTerm.tau) / 2) * s * s;
  return { policy, constraint, s };
}

export function oracleLoss(objective: Objective, sequences: readonly OracleSequence[]): number {
  let loss = 0;
  for (const sequence of sequences) {
    const { policy, constraint } = sequenceLoss(objective, sequence);
    loss += sequence.scale * (policy + constraint);
  }
  return loss;
}

/** dL/dlogp of every token by central differences of the sequence's own loss; 0 where a token is left out. */
export function oracleGradient(
  objective: Objective,
  sequences: readonly OracleSequence[],
  step = 1e-5,
): number[] {
  return sequences.flatMap((sequence) =>
    sequence.tokens.map((token) => {
      if (!token.kept) return 0;
      const at = (shift: number): number => {
        const moved = { ...token, logp: token.logp + shift };
        const tokens = sequence.tokens.map((other) => (other === token ? moved : other));
        const { policy, constraint } = sequenceLoss(objective, { ...sequence, tokens });
        return sequence.scale * (policy + constraint);
      };
      return (at(step) - at(-step)) / (2 * step);
    }),
  );
}

/** The gradient of the log-linear family in closed form: -N (w A - tau S). */
export function oracleUnitGradient(objective: Objective, sequences: readonly OracleSequence[]): number[] {
  const tau = objective.sequenceTerm === null ? 0 : Math.fround(objective.sequenceTerm.tau);
  return sequences.flatMap((sequence) => {
    const { s } = sequenceLoss(objective, sequence);
    return sequence.tokens.map((token) =>
      token.kept ? -sequence.scale * (token.weight * sequence.advantage - tau * s) : 0,
    );
  });
}
