import { describe, expect, it } from 'vitest';
import { clusteredMean, pairedDifference, standing } from '../../lib/evaluate/interval.ts';
import { passAtK } from '../../lib/evaluate/pass-at-k.ts';
import { studentQuantile } from '../../lib/evaluate/student.ts';
import { type Random, seededRandom } from '../../lib/random.ts';

/** A normal number by Box and Muller. */
const normal = (random: Random) => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

describe('pass@k', () => {
  it('is the share of k-subsets that hold a passing sample, counted one by one', () => {
    for (let n = 1; n <= 7; n++) {
      for (let c = 0; c <= n; c++) {
        for (let k = 1; k <= n; k++) {
          let [all, passing] = [0, 0];
          for (let subset = 0; subset < 2 ** n; subset++) {
            const members = Array.from({ length: n }, (_, i) => i).filter((i) => (subset >> i) & 1);
            if (members.length !== k) continue;
            all += 1;
            if (members.some((i) => i < c)) passing += 1;
          }
          expect(passAtK(n, c, k), `n ${n}, c ${c}, k ${k}`).toBeCloseTo(passing / all, 12);
        }
      }
    }
  });

  it('does not overflow, and refuses what is no sample count', () => {
    expect(passAtK(10_000, 1, 5000)).toBeCloseTo(0.5, 9);
    for (const [n, c, k] of [
      [4, 5, 1],
      [4, 1, 5],
      [4, 1, 0],
      [4, 0.5, 1],
    ] as const) {
      expect(() => passAtK(n, c, k)).toThrow(/passAtK/);
    }
  });
});

it.each([
  [1, 12.7062047362],
  [2, 4.3026527297],
  [4, 2.7764451052],
  [9, 2.2621571628],
  [30, 2.0422724563],
])('the 97.5 %% quantile of Student with %i degrees of freedom', (freedom, quantile) => {
  expect(studentQuantile(freedom)).toBeCloseTo(quantile, 8);
});

describe('a clustered interval', () => {
  it('over one seed is that of independent prompts', () => {
    const { mean, low, high } = clusteredMean([[0, 1, 1, 0, 1]]);
    expect(mean).toBeCloseTo(0.6, 12);
    const half = studentQuantile(4) * Math.sqrt(0.3 / 5);
    expect([low, high]).toEqual([expect.closeTo(0.6 - half, 9), expect.closeTo(0.6 + half, 9)]);
  });

  it('over seeds that agree on every prompt is not narrowed by repeating them', () => {
    const one = [0, 1, 1, 0, 1, 1, 0, 1];
    const repeated = clusteredMean([one, one, one]);
    const spread = (repeated.high - repeated.low) / studentQuantile(2);
    const single = clusteredMean([one]);
    expect(spread).toBeCloseTo((single.high - single.low) / studentQuantile(7), 9);
  });

  it('holds the truth about 95 times in 100 where seeds and prompts both vary (seed 7)', () => {
    const random = seededRandom(7);
    let held = 0;
    const trials = 600;
    for (let trial = 0; trial < trials; trial++) {
      const prompts = Array.from({ length: 40 }, () => 0.3 * normal(random));
      const scores = Array.from({ length: 5 }, () => {
        const seed = 0.1 * normal(random);
        return prompts.map((prompt) => 1 + prompt + seed + 0.2 * normal(random));
      });
      const { low, high } = clusteredMean(scores);
      if (low <= 1 && 1 <= high) held += 1;
    }
    // A binomial of 600 at 0.95 has a standard deviation of 0.9 %; the estimator is on the safe side.
    expect(held / trials).toBeGreaterThan(0.92);
    expect(held / trials).toBeLessThan(0.995);
  });

  it('of a paired difference drops what both have in common', () => {
    const random = seededRandom(11);
    const a = Array.from({ length: 5 }, () => Array.from({ length: 50 }, () => normal(random)));
    const b = a.map((list) => list.map((score) => score + 0.1));
    expect(pairedDifference(a, b)).toMatchObject({
      low: expect.closeTo(0.1, 9),
      high: expect.closeTo(0.1, 9),
    });
    expect(standing(pairedDifference(a, b))).toBe('above');
    expect(standing(pairedDifference(b, a))).toBe('below');
    expect(standing(pairedDifference(a, a))).toBe('inconclusive');
  });

  it('refuses lists that do not belong together', () => {
    expect(() => clusteredMean([])).toThrow(/scores/);
    expect(() => clusteredMean([[1], [1, 2]])).toThrow(/one score per prompt/);
    expect(() => pairedDifference([[1]], [[1], [2]])).toThrow(/same seeds/);
  });
});
