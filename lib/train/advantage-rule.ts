import { LapidaryError } from '../errors.ts';
import { advantages as estimators } from '../kernels/advantages.ts';
import type { Example } from './examples.ts';

/**
 * How an objective's advantages come from the rewards and verdicts of a group. 'given': they are the examples' own.
 * 'signed': `positive` for right responses, -`negative` for wrong ones. The others are estimators of
 * lib/kernels/advantages.ts over the rewards.
 */
export type AdvantageRule =
  | { kind: 'given' | 'mean' | 'mean-std' | 'leave-one-out' | 'opo' | 'pass-at-k' }
  | { kind: 'asym-re'; delta: number }
  | { kind: 'signed'; positive: number; negative: number };

/** The rules that a configuration can choose for an objective with a group baseline. */
export const CHOSEN_RULES = ['given', 'mean', 'mean-std', 'leave-one-out', 'opo', 'pass-at-k'] as const;

/**
 * Bounds of a group's share of right answers in NFT, as in the authors' code (arXiv 2505.18116): its implicit
 * negative policy divides by 1 - q.
 */
const LOWEST_QUALITY = 0.02;
const HIGHEST_QUALITY = 0.98;

/** The advantages of `examples` by `rule`, in order. @throws LapidaryError ERR_LAPIDARY_DATA naming rollout and field */
export function advantagesOf(examples: readonly Example[], rule: AdvantageRule): ArrayLike<number> {
  if (rule.kind === 'given') return examples.map((example) => example.advantage);
  if (rule.kind === 'signed') {
    const { positive, negative } = rule;
    return estimators.signedReward(examples.map(rightOf), { positive, negative }).data;
  }
  const rewards = examples.map(
    (example) => example.reward ?? lacking(example, 'reward', 'a verified response'),
  );
  const groups = examples.map(groupOf);
  switch (rule.kind) {
    case 'mean':
      return estimators.groupMean(rewards, groups).data;
    case 'mean-std':
      return estimators.groupMeanStd(rewards, groups).data;
    case 'leave-one-out':
      return estimators.leaveOneOut(rewards, groups).data;
    case 'opo': {
      const lengths = examples.map((example) => example.responseIds.length);
      return estimators.opo(rewards, groups, lengths).data;
    }
    case 'pass-at-k':
      return estimators.passAtK(rewards, groups).data;
    case 'asym-re':
      return estimators.asymRe(rewards, groups, { delta: rule.delta }).data;
  }
}

/** The share of right answers in the group of each example, `nftQuality` of an NFT objective. */
export function groupQualities(examples: readonly Example[]): number[] {
  const counts = new Map<string, { right: number; all: number }>();
  for (const example of examples) {
    const count = counts.get(groupOf(example)) ?? { right: 0, all: 0 };
    count.all += 1;
    if (rightOf(example)) count.right += 1;
    counts.set(groupOf(example), count);
  }
  return examples.map((example) => {
    const { right, all } = counts.get(groupOf(example))!;
    return Math.min(Math.max(right / all, LOWEST_QUALITY), HIGHEST_QUALITY);
  });
}

export function rightOf(example: Example): boolean {
  return example.right ?? lacking(example, 'right', 'a verified response');
}

export function groupOf(example: Example): string {
  return example.groupId ?? lacking(example, 'groupId', 'the group of its baseline');
}

function lacking(example: Example, field: string, expected: string): never {
  throw new LapidaryError(
    'ERR_LAPIDARY_DATA',
    `rollout ${example.rolloutId}: ${field}: it is absent; expected ${expected}`,
    { argument: field },
  );
}
