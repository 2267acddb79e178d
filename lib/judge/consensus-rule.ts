import { LapidaryError } from '../errors.ts';

/**
 * How several judges become one label per step. The paper's rule, and the default, is 'unanimity'.
 *
 * Where judges abstain, 'unanimity', 'any', 'majority', atLeast and weights give the label that the votes still missing
 * could not change, and abstain where they could. An abstention leaves the tokens at weight 1.
 *
 * - 'unanimity': right where all say right.
 * - 'any': right where at least one says right.
 * - 'majority': right where more than half of all judges say right; a tie is wrong.
 * - atLeast: right where so many say right.
 * - weights: right where the judges that say right hold more than `share` (default 0.5) of all weight.
 * - 'veto': wrong where anyone says wrong, else right where anyone says right: an abstention is no objection.
 * - first: the label of this judge alone, abstentions included.
 * - twoThresholds: a judge with scores decides where it is sure (right from `high` up, wrong below `low`), another one
 *   decides between. Abstains where there is no score.
 * - gate: by `rule` (default 'unanimity') where all judges place the first error at the same step, or all see none;
 *   otherwise the whole response abstains. A judge that abstains at or before its first error, or anywhere where it
 *   finds none, has no known first error and closes the gate.
 * - dawidSkene: the judges' error rates are estimated over all responses; right where the posterior is at least
 *   `threshold` (default 0.9), wrong where that of wrong is, abstain between and where no one voted. Needs three judges.
 */
export type ConsensusRule =
  | 'unanimity'
  | 'any'
  | 'majority'
  | 'veto'
  | { atLeast: number }
  | { weights: Readonly<Record<string, number>>; share?: number }
  | { first: string }
  | { twoThresholds: { judge: string; low: number; high: number; between: string } }
  | { gate: { rule?: ConsensusRule } }
  | { dawidSkene: { threshold?: number; iterations?: number } };

export const RULE_NAMES = ['unanimity', 'any', 'majority', 'veto'] as const;
const RULE_KEYS = ['atLeast', 'weights', 'first', 'twoThresholds', 'gate', 'dawidSkene'] as const;

/** Checks a rule against the judges it is for; `judges` may be null where ids are not known. */
export function checkRule(rule: ConsensusRule, count: number, judges: readonly string[] | null): void {
  if (typeof rule === 'string') {
    if ((RULE_NAMES as readonly string[]).includes(rule)) return;
    throw badRule('rule', `${rule}; expected ${RULE_NAMES.join(', ')} or an object`);
  }
  const keys = typeof rule === 'object' && rule !== null ? Object.keys(rule) : [];
  if (!RULE_KEYS.some((key) => keys.includes(key))) {
    throw badRule('rule', `${JSON.stringify(rule)}; expected one of ${RULE_KEYS.join(', ')}`);
  }
  const isJudge = (argument: string, id: string) => {
    if (judges === null) throw badRule('judges', 'no ids; this rule names judges by id');
    if (!judges.includes(id)) throw badRule(argument, `${id}; expected one of ${judges.join(', ')}`);
  };
  if ('atLeast' in rule) checkAtLeast(rule.atLeast, count);
  else if ('weights' in rule) {
    for (const id of Object.keys(rule.weights)) isJudge('weights', id);
    checkWeights(rule.weights, rule.share ?? 0.5);
  } else if ('first' in rule) isJudge('first', rule.first);
  else if ('twoThresholds' in rule) {
    const { judge, low, high, between } = rule.twoThresholds;
    isJudge('twoThresholds.judge', judge);
    isJudge('twoThresholds.between', between);
    if (!(low >= 0 && low <= high && high <= 1)) {
      throw badRule('twoThresholds', `low ${low} and high ${high}; expected 0 <= low <= high <= 1`);
    }
  } else if ('gate' in rule) checkRule(rule.gate.rule ?? 'unanimity', count, judges);
  else checkDawidSkene(rule.dawidSkene, count);
}

function checkAtLeast(atLeast: number, count: number): void {
  if (Number.isSafeInteger(atLeast) && atLeast >= 1 && atLeast <= count) return;
  throw badRule('atLeast', `${atLeast}; expected a whole number from 1 to ${count}, the judges`);
}

function checkWeights(weights: Readonly<Record<string, number>>, share: number): void {
  const values = Object.values(weights);
  if (
    !values.every((weight) => weight >= 0 && Number.isFinite(weight)) ||
    !values.some((weight) => weight > 0)
  ) {
    throw badRule('weights', `${JSON.stringify(weights)}; expected finite numbers of 0 or more, one above 0`);
  }
  if (!(share >= 0 && share < 1)) throw badRule('share', `${share}; expected a number in [0, 1)`);
}

function checkDawidSkene({ threshold = 0.9 }: { threshold?: number }, count: number): void {
  if (count < 3) throw badRule('dawidSkene', `${count} judges; expected at least 3`);
  if (!(threshold > 0.5 && threshold <= 1))
    throw badRule('threshold', `${threshold}; expected a number in (0.5, 1]`);
}

export function badRule(argument: string, given: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `consensus: ${argument}: got ${given}`, { argument });
}
