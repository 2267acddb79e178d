import type { TrainRow } from '../data/records.ts';
import { consensusView } from '../judge/verdict-view.ts';
import { labelRollouts } from '../label/label-rollouts.ts';
import type { Method } from './config.ts';
import type { Prepared } from './prepare.ts';

/** The training rows of a method: its objective decides the advantage, its beta and propagation rule the relief. */
export function labelFor(
  method: Pick<Method, 'objective' | 'beta' | 'propagation'>,
  prepared: Pick<Prepared, 'rollouts' | 'steps' | 'verdicts'>,
): TrainRow[] {
  const { objective, beta, propagation } = method;
  const advantage = objective === 'rft' ? 'rft' : objective === 'grpo' ? 'mean-std' : 'mean';
  const consensus = consensusView(prepared.verdicts, { propagation });
  return labelRollouts({ rollouts: prepared.rollouts, steps: prepared.steps, consensus, beta, advantage });
}
