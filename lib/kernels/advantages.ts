/**
 * Advantage estimators: rewards of a batch -> one advantage per response, [B] f32, as `policyLoss` takes them. They
 * are small sums over groups, so they run here and not in a kernel. Statistics are taken in float64.
 */
import { checkKeys, checkNumber, fail } from './check.ts';
import {
  asymRe,
  groupMean,
  groupMeanStd,
  leaveOneOut,
  logMeanExpBaseline,
  opo,
  passAtK,
  ploo,
} from './group-advantages.ts';
import { checkNumbers } from './groups.ts';
import { describe, Tensor } from './tensor.ts';
import { gdpo, whiten } from './whitening.ts';

/** A = r - r_greedy, the reward of the greedy answer to the same prompt, [B]: ReMax (arXiv 2310.10505). */
export function remax(rewards: ArrayLike<number>, greedyRewards: ArrayLike<number>): Tensor<'f32'> {
  const numbers = checkNumbers('rewards', rewards);
  const greedy = checkNumbers('greedyRewards', greedyRewards, numbers.length);
  return Tensor.from(
    'f32',
    Float32Array.from(numbers, (r, i) => r - greedy[i]!),
  );
}

/**
 * `positive` where the response is right, -`negative` elsewhere (arXiv 2506.01347): PSR is (1, 0), NSR (0, 1),
 * Weighted-REINFORCE (0.1, 1), the default.
 */
export function signedReward(
  right: ArrayLike<boolean | number>,
  given: { positive?: number; negative?: number } = {},
): Tensor<'f32'> {
  checkKeys('options', given, ['positive', 'negative']);
  const { positive = 0.1, negative = 1 } = given;
  checkNumber('positive', positive, 0, Number.MAX_VALUE);
  checkNumber('negative', negative, 0, Number.MAX_VALUE);
  return Tensor.from(
    'f32',
    Float32Array.from(right, (r, i) => {
      if (r === true || r === 1) return positive;
      if (r === false || r === 0) return 0 - negative;
      return fail(`right[${i}]`, 'true, false, 1 or 0', describe(r));
    }),
  );
}

/** The estimators by name. */
export const advantages = {
  groupMean,
  groupMeanStd,
  leaveOneOut,
  opo,
  remax,
  logMeanExpBaseline,
  ploo,
  asymRe,
  signedReward,
  passAtK,
  whiten,
  gdpo,
} as const;
