import { LapidaryError } from '../errors.ts';

/**
 * How rewards of one group become advantages.
 * - 'mean': r − r̄ (BCPG, arXiv 2505.14403; Dr.GRPO, 2503.20783).
 * - 'mean-std': (r − r̄) / (s + 1e-6) with the n − 1 deviation s (GRPO, 2402.03300); 0 where s is 0.
 * - 'rft': 1 where r = 1, else 0 (rejection-sampling fine-tuning: right responses only, no baseline).
 */
export type AdvantageKind = 'mean' | 'mean-std' | 'rft';
export const ADVANTAGE_KINDS: readonly AdvantageKind[] = ['mean', 'mean-std', 'rft'];

const EPSILON = 1e-6;

/** Advantages of the rewards of one group, in order. */
export function groupAdvantages(rewards: readonly number[], kind: AdvantageKind): number[] {
  const bad = rewards.findIndex((reward) => !Number.isFinite(reward));
  if (bad !== -1) throw badArgument(`rewards[${bad}]`, `${rewards[bad]}; expected a finite number`);
  if (!ADVANTAGE_KINDS.includes(kind))
    throw badArgument('kind', `${kind}; expected ${ADVANTAGE_KINDS.join(', ')}`);
  if (kind === 'rft') return rewards.map((reward) => (reward === 1 ? 1 : 0));
  // Exactly 0, which r − r̄ need not be after rounding.
  if (rewards.every((reward) => reward === rewards[0])) return rewards.map(() => 0);
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const centred = rewards.map((reward) => reward - mean);
  if (kind === 'mean') return centred;
  const variance = centred.reduce((sum, value) => sum + value * value, 0) / (rewards.length - 1);
  return centred.map((value) => value / (Math.sqrt(variance) + EPSILON));
}

function badArgument(argument: string, given: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `groupAdvantages: ${argument}: got ${given}`, {
    argument,
  });
}
