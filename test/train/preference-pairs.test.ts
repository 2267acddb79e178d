import { describe, expect, it } from 'vitest';
import type { Example } from '../../lib/train/examples.ts';
import { preferencePairs } from '../../lib/train/preference-pairs.ts';
import { type Random, seededRandom } from '../random.ts';

const SEED = 88_214;

function response(group: number, index: number, right: boolean, length = 3): Example {
  return {
    ...{ rolloutId: `${group}/${index}`, groupId: `g${group}`, right, promptIds: [1], advantage: 0 },
    responseIds: new Array<number>(length).fill(2),
    tokenWeights: new Array<number>(length).fill(1),
    ...{ behaviourLogprobs: null, refLogprobs: null },
  };
}

function randomGroups(random: Random): Example[] {
  return Array.from({ length: random.int(1, 6) }, (_, g) =>
    Array.from({ length: random.int(1, 12) }, (_, i) => response(g, i, random.next() < 0.4)),
  ).flat();
}

const count = <T>(items: readonly T[], key: (item: T) => string) => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
};

describe.each(Array.from({ length: 25 }, (_, i) => SEED + i))('random groups (seed %i)', (seed) => {
  const examples = randomGroups(seededRandom(seed));
  const pairs = preferencePairs(examples, { seed });

  it('a pair is right against wrong of one group, and no pair is there twice', () => {
    for (const { chosen, rejected } of pairs) {
      expect(chosen.groupId).toBe(rejected.groupId);
      expect([chosen.right, rejected.right]).toEqual([true, false]);
    }
    const keys = pairs.map(({ chosen, rejected }) => `${chosen.rolloutId} ${rejected.rolloutId}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('every response of a mixed group is used, those of one side alike', () => {
    for (const group of new Set(examples.map(({ groupId }) => groupId))) {
      const members = examples.filter((example) => example.groupId === group);
      const own = pairs.filter(({ chosen }) => chosen.groupId === group);
      const [right, wrong] = [members.filter((m) => m.right), members.filter((m) => !m.right)];
      const mixed = right.length > 0 && wrong.length > 0;
      expect(own.length).toBe(mixed ? Math.max(right.length, wrong.length) : 0);
      if (!mixed) continue;
      const uses = [
        [right, count(own, ({ chosen }) => chosen.rolloutId)],
        [wrong, count(own, ({ rejected }) => rejected.rolloutId)],
      ] as const;
      for (const [side, counts] of uses) {
        const numbers = side.map(({ rolloutId }) => counts.get(rolloutId) ?? 0);
        expect(Math.max(...numbers) - Math.min(...numbers)).toBeLessThanOrEqual(1);
        expect(Math.min(...numbers)).toBeGreaterThan(0);
      }
    }
  });

  it('the seed decides', () => {
    expect(preferencePairs(examples, { seed })).toEqual(pairs);
  });
});

it('a limit per group, and responses without a token', () => {
  const examples = [response(0, 0, true), response(0, 1, true), response(0, 2, false), response(0, 3, false)];
  expect(preferencePairs(examples, { seed: 1, perGroup: 1 })).toHaveLength(1);
  expect(preferencePairs([response(0, 0, true), response(0, 1, false, 0)], { seed: 1 })).toEqual([]);
});

it('a response without a verdict is refused by name', () => {
  const { right: _, ...unknown } = response(0, 0, true);
  expect(() => preferencePairs([unknown], { seed: 1 })).toThrow(/rollout 0\/0: right/);
});
