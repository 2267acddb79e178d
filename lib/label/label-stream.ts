import type { Rollout, Step, TrainRow } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { StepLabel } from '../judge/judge.ts';
import { badRollout, responseLength, tokenWeights } from './token-weights.ts';

/** What the mean advantage r - r̄ needs to know of a group: a few numbers, whatever the length of its responses. */
export interface GroupBaseline {
  rewards: number;
  responses: number;
  right: number;
}

type Verified = Pick<Rollout, 'rollout_id' | 'group_id' | 'verdict' | 'reward'>;

/** First pass: the baselines of all groups, from rows that may leave out everything long (column projection). */
export async function groupBaselines(
  rows: Iterable<Verified> | AsyncIterable<Verified>,
): Promise<Map<string, GroupBaseline>> {
  const groups = new Map<string, GroupBaseline>();
  for await (const row of rows) {
    if (row.verdict == null)
      throw badRollout(row as Rollout, 'verdict', 'is not computed; verify the rollouts first');
    if (row.verdict === 'unknown') continue;
    const group = groups.get(row.group_id) ?? { rewards: 0, responses: 0, right: 0 };
    group.rewards += rewardOf(row);
    group.responses += 1;
    if (row.verdict === 'right') group.right += 1;
    groups.set(row.group_id, group);
  }
  return groups;
}

export interface JudgedRollout {
  rollout: Rollout;
  steps: readonly Step[];
  /** Consensus per step; null where the response was not judged. */
  labels: readonly StepLabel[] | null;
}

export interface LabelStreamOptions {
  baselines: ReadonlyMap<string, GroupBaseline>;
  beta: number;
}

/**
 * Second pass: the rows of `labelRollouts` with the mean baseline, one rollout at a time, in the order given. Memory
 * holds one rollout and the baselines.
 */
export async function* labelStream(
  judged: Iterable<JudgedRollout> | AsyncIterable<JudgedRollout>,
  { baselines, beta }: LabelStreamOptions,
): AsyncGenerator<{ rollout: Rollout; row: TrainRow }> {
  if (!(beta >= -1 && beta <= 1)) {
    const problem = `labelStream: beta: got ${beta}; expected a number in [-1, 1]`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'beta' });
  }
  for await (const { rollout, steps, labels } of judged) {
    const relieved = rollout.verdict === 'wrong' && labels !== null;
    const weights = relieved
      ? tokenWeights(rollout, steps, labels, beta)
      : new Array<number>(responseLength(rollout)).fill(1);
    yield { rollout, row: { ...signalOf(rollout, baselines), token_weight: weights } };
  }
}

function signalOf(
  rollout: Rollout,
  baselines: ReadonlyMap<string, GroupBaseline>,
): Pick<TrainRow, 'rollout_id' | 'group_id' | 'advantage' | 'drop_reason'> {
  const { rollout_id, group_id, verdict } = rollout;
  if (verdict === 'unknown') return { rollout_id, group_id, advantage: 0, drop_reason: 'unknown_verdict' };
  const group = baselines.get(group_id);
  if (group === undefined) throw badRollout(rollout, 'group_id', `${group_id} was not in the first pass`);
  const flat = group.right === 0 || group.right === group.responses;
  const advantage = flat ? 0 : rewardOf(rollout) - group.rewards / group.responses;
  return { rollout_id, group_id, advantage, drop_reason: flat ? 'flat_group' : null };
}

function rewardOf({ reward, verdict }: Verified): number {
  return reward ?? (verdict === 'right' ? 1 : 0);
}
