import { checkInteger, checkKeys } from '../kernels/check.ts';
import { seededRandom, shuffled } from '../random.ts';
import { groupOf, rightOf } from './advantage-rule.ts';
import type { Example } from './examples.ts';

/** Two responses to one prompt. */
export interface PreferencePair {
  chosen: Example;
  rejected: Example;
}

export interface PairOptions {
  seed: number;
  /** At most so many of each group, so that large groups do not drown small ones; default: no limit. */
  perGroup?: number;
}

/**
 * Right against wrong responses of each group: as many pairs as its larger side has responses, all different. Each
 * side is dealt out in a seeded order and begun again when it is used up, so that the uses of any two responses of
 * one side differ by one at most. Groups without both sides, and responses without a token, make no pair.
 * @throws LapidaryError ERR_LAPIDARY_DATA where a response has no verdict or group
 */
export function preferencePairs(examples: readonly Example[], options: PairOptions): PreferencePair[] {
  checkKeys('options', options, ['seed', 'perGroup']);
  const { perGroup = Number.MAX_SAFE_INTEGER } = options;
  checkInteger('perGroup', perGroup, 1, Number.MAX_SAFE_INTEGER);
  const random = seededRandom(checkInteger('seed', options.seed, 0, Number.MAX_SAFE_INTEGER));
  const groups = new Map<string, { right: Example[]; wrong: Example[] }>();
  for (const example of examples) {
    const group = groups.get(groupOf(example)) ?? { right: [], wrong: [] };
    groups.set(groupOf(example), group);
    const side = rightOf(example) ? group.right : group.wrong;
    if (example.responseIds.length > 0) side.push(example);
  }
  const pairs: PreferencePair[] = [];
  for (const { right, wrong } of groups.values()) {
    if (right.length === 0 || wrong.length === 0) continue;
    const [chosen, rejected] = [shuffled(right, random), shuffled(wrong, random)];
    const count = Math.min(Math.max(right.length, wrong.length), perGroup);
    for (let i = 0; i < count; i++) {
      pairs.push({ chosen: chosen[i % chosen.length]!, rejected: rejected[i % rejected.length]! });
    }
  }
  return pairs;
}
