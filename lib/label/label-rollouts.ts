import type { Rollout, Step, TrainRow } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { StepLabel } from '../judge/judge.ts';
import { type AdvantageKind, groupAdvantages } from './advantages.ts';
import { badRollout, responseLength, stepsByRollout, tokenWeights } from './token-weights.ts';

export interface LabelRolloutsOptions {
  /** Verified rollouts; those of one group_id share a baseline. */
  rollouts: readonly Rollout[];
  steps: readonly Step[];
  /** Labels per step by rollout id. A rollout that is absent was not judged: its tokens keep weight 1. */
  consensus: ReadonlyMap<string, readonly StepLabel[]>;
  /** Weight of the tokens of right steps inside wrong responses, in [−1, 1]; 1 is plain BCPG. */
  beta: number;
  advantage: AdvantageKind;
}

/** Why a row is not trained on. */
export type DropReason = 'flat_group' | 'unknown_verdict';

/**
 * Advantage and token weights of every rollout, in the order given. Rows without a training signal are kept and say
 * why: a group whose responses are all right or all wrong ('flat_group'), a response that could not be verified
 * ('unknown_verdict'), which also stays out of its group's mean.
 */
export function labelRollouts(options: LabelRolloutsOptions): TrainRow[] {
  const { rollouts, consensus, beta, advantage } = options;
  if (!(beta >= -1 && beta <= 1)) {
    const problem = `labelRollouts: beta: got ${beta}; expected a number in [-1, 1]`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'beta' });
  }
  const steps = stepsByRollout(options.steps);
  const signals = groupSignals(rollouts, advantage);
  return rollouts.map((rollout) => {
    const labels = rollout.verdict === 'wrong' ? consensus.get(rollout.rollout_id) : undefined;
    const weights =
      labels === undefined
        ? new Array<number>(responseLength(rollout)).fill(1)
        : tokenWeights(rollout, steps.get(rollout.rollout_id) ?? [], labels, beta);
    const { value, dropReason } = signals.get(rollout)!;
    return {
      rollout_id: rollout.rollout_id,
      group_id: rollout.group_id,
      advantage: value,
      token_weight: weights,
      drop_reason: dropReason,
    };
  });
}

interface Signal {
  value: number;
  dropReason: DropReason | null;
}

function groupSignals(rollouts: readonly Rollout[], kind: AdvantageKind): Map<Rollout, Signal> {
  const groups = new Map<string, Rollout[]>();
  const signals = new Map<Rollout, Signal>();
  for (const rollout of rollouts) {
    if (rollout.verdict == null)
      throw badRollout(rollout, 'verdict', 'is not computed; verify the rollouts first');
    if (rollout.verdict === 'unknown') {
      signals.set(rollout, { value: 0, dropReason: 'unknown_verdict' });
      continue;
    }
    const group = groups.get(rollout.group_id);
    if (group === undefined) groups.set(rollout.group_id, [rollout]);
    else group.push(rollout);
  }
  for (const group of groups.values()) {
    const flat = group.every((rollout) => rollout.verdict === group[0]!.verdict);
    const values = groupAdvantages(group.map(rewardOf), kind);
    for (const [i, rollout] of group.entries()) {
      signals.set(rollout, { value: values[i]!, dropReason: flat ? 'flat_group' : null });
    }
  }
  return signals;
}

/** The stored reward, or 1 for right and 0 for wrong where there is none. */
function rewardOf(rollout: Rollout): number {
  return rollout.reward ?? (rollout.verdict === 'right' ? 1 : 0);
}
