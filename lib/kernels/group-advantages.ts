/**
 * Advantage estimators over the responses to one prompt: rewards and group ids [B] -> advantages [B] f32.
 *
 * `singleton` says what a response alone in its group gets where the group is its own yardstick: 'zero' (the
 * baseline is the reward itself, default) or 'reward' (baseline 0, as verl's estimators do).
 */
import { checkKeys, checkNumber, fail } from './check.ts';
import { checkNumbers, deviationOf, type GroupIds, logMeanExp, meanOf, membersOf } from './groups.ts';
import { describe, Tensor } from './tensor.ts';

export interface SingletonOption {
  singleton?: 'zero' | 'reward';
}

const POSITIVE = Number.MIN_VALUE;
const LARGEST = Number.MAX_VALUE;

function singletonOf({ singleton = 'zero' }: SingletonOption): boolean {
  if (singleton !== 'zero' && singleton !== 'reward')
    fail('singleton', 'zero or reward', describe(singleton));
  return singleton === 'reward';
}

function options<O extends object>(given: O, known: readonly string[]): O {
  checkKeys('options', given, known);
  return given;
}

/** `estimate` gets a group's rewards and gives its advantages; with `alone` it does not see groups of one. */
function perGroup(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  estimate: (rewards: number[], members: number[]) => number[],
  alone?: SingletonOption,
): Tensor<'f32'> {
  const numbers = checkNumbers('rewards', rewards);
  const keep = alone === undefined ? undefined : singletonOf(alone);
  const advantages = Tensor.alloc('f32', [numbers.length]);
  for (const members of membersOf(groups, numbers.length)) {
    const own = members.map((i) => numbers[i]!);
    const estimated = keep !== undefined && own.length === 1 ? (keep ? own : [0]) : estimate(own, members);
    for (const [k, i] of members.entries()) advantages.data[i] = estimated[k]!;
  }
  return advantages;
}

/** A = r - mean(r) of the group: BCPG (arXiv 2505.14403), Dr.GRPO (arXiv 2503.20783). */
export function groupMean(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: SingletonOption = {},
): Tensor<'f32'> {
  const alone = options(given, ['singleton']);
  return perGroup(rewards, groups, (own) => own.map((r) => r - meanOf(own)), alone);
}

/**
 * A = (r - mean(r)) / (std(r) + epsilon), std over n - 1: GRPO (arXiv 2402.03300). `epsilon` is verl's 1e-6 by
 * default; TRL takes 1e-4, OpenRLHF 1e-9. A group of equal rewards gets 0.
 */
export function groupMeanStd(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: SingletonOption & { epsilon?: number } = {},
): Tensor<'f32'> {
  const { epsilon = 1e-6, ...alone } = options(given, ['singleton', 'epsilon']);
  checkNumber('epsilon', epsilon, POSITIVE, LARGEST);
  const estimate = (own: number[]) => {
    const mean = meanOf(own);
    const scale = deviationOf(own) + epsilon;
    return own.map((r) => (r - mean) / scale);
  };
  return perGroup(rewards, groups, estimate, alone);
}

/** A = r - mean of the others = (r - mean(r)) k / (k - 1): RLOO (arXiv 2402.14740). */
export function leaveOneOut(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: SingletonOption = {},
): Tensor<'f32'> {
  const alone = options(given, ['singleton']);
  const estimate = (own: number[]) => own.map((r) => ((r - meanOf(own)) * own.length) / (own.length - 1));
  return perGroup(rewards, groups, estimate, alone);
}

/** A = r - sum(n r) / sum(n) over the group, n the responses' lengths: OPO (arXiv 2505.23585). */
export function opo(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  lengths: ArrayLike<number>,
  given: SingletonOption = {},
): Tensor<'f32'> {
  const alone = options(given, ['singleton']);
  const n = checkNumbers('lengths', lengths, rewards.length);
  n.forEach((length, i) => {
    if (length < 0) fail(`lengths[${i}]`, '0 or more', String(length));
  });
  const estimate = (own: number[], members: number[]) => {
    const total = members.reduce((sum, i) => sum + n[i]!, 0);
    // A group without a token trains nothing; any baseline will do.
    const baseline = total === 0 ? 0 : members.reduce((sum, i, k) => sum + n[i]! * own[k]!, 0) / total;
    return own.map((r) => r - baseline);
  };
  return perGroup(rewards, groups, estimate, alone);
}

/**
 * A = r - tau log mean exp(r / tau) over the group: the baseline of policy mirror descent (OPMD of Trinity-RFT, arXiv
 * 2509.24203; Kimi k1.5, arXiv 2501.12599). tau -> infinity gives the group mean, tau -> 0 the best reward.
 */
export function logMeanExpBaseline(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: { tau: number },
): Tensor<'f32'> {
  const tau = checkNumber('tau', options(given, ['tau']).tau, POSITIVE, LARGEST);
  return perGroup(rewards, groups, (own) => own.map((r) => r - logMeanExp(own, tau)));
}

/** A = r - tau log mean_{j != i} exp(r_j / tau): the same left-one-out, PLOO (OpenKimi, arXiv 2602.05933). */
export function ploo(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: SingletonOption & { tau: number },
): Tensor<'f32'> {
  const { tau, ...alone } = options(given, ['singleton', 'tau']);
  checkNumber('tau', tau, POSITIVE, LARGEST);
  const estimate = (own: number[]) =>
    own.map(
      (r, i) =>
        r -
        logMeanExp(
          own.filter((_, j) => j !== i),
          tau,
        ),
    );
  return perGroup(rewards, groups, estimate, alone);
}

/** A = r - (mean(r) + delta), delta < 0 leans on the right responses: AsymRE (arXiv 2506.20520), -0.1 by default. */
export function asymRe(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: { delta?: number } = {},
): Tensor<'f32'> {
  const { delta = -0.1 } = options(given, ['delta']);
  checkNumber('delta', delta, -LARGEST, LARGEST);
  return perGroup(rewards, groups, (own) => own.map((r) => r - (meanOf(own) + delta)));
}

/**
 * r_max - r_second on the best response of each group, 0 on the others: pass@k training (arXiv 2503.19595). With
 * `epsilon` it is divided by std(r) + epsilon, as verl's `grpo_passk` does by default (1e-6). Equal bests get 0.
 */
export function passAtK(
  rewards: ArrayLike<number>,
  groups: GroupIds,
  given: SingletonOption & { epsilon?: number } = {},
): Tensor<'f32'> {
  const { epsilon, ...alone } = options(given, ['singleton', 'epsilon']);
  if (epsilon !== undefined) checkNumber('epsilon', epsilon, POSITIVE, LARGEST);
  const estimate = (own: number[]) => {
    const [best, second] = [...own].sort((a, b) => b - a) as [number, number];
    const at = own.indexOf(best);
    const lead = (best - second) / (epsilon === undefined ? 1 : deviationOf(own) + epsilon);
    return own.map((_, k) => (k === at ? lead : 0));
  };
  return perGroup(rewards, groups, estimate, alone);
}
