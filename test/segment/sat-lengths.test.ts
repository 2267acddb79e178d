import { describe, expect, it } from 'vitest';
import type { Candidate } from '../../lib/segment/sat-candidates.ts';
import { greedyBoundaries, type LengthSearch, viterbiBoundaries } from '../../lib/segment/sat-lengths.ts';
import { checkPrior, type LengthPrior, logPrior } from '../../lib/segment/sat-priors.ts';
import { type Random, seededRandom } from '../random.ts';

/** The priors as they are defined, not in logarithms; lognormal's mode is the target. */
function prior(given: LengthPrior, length: number): number {
  if (given.kind === 'uniform') return 1;
  const { target, spread } = given;
  if (given.kind === 'gaussian') return Math.exp(-((length - target) ** 2) / (2 * spread * spread));
  if (given.kind === 'clipped_polynomial') return Math.max(0, 1 - (length - target) ** 2 / (spread * spread));
  const mu = Math.log(target) + spread * spread;
  return Math.exp(-((Math.log(length) - mu) ** 2) / (2 * spread * spread)) / length;
}

const isLegal = (places: readonly number[], { minLength, maxLength }: LengthSearch): boolean =>
  places.every((at, i) => i === 0 || (at - places[i - 1]! >= minLength && at - places[i - 1]! <= maxLength));

/** The probability of a choice of boundaries: the product over pieces and boundaries. */
function worth(chosen: readonly Candidate[], length: number, search: LengthSearch): number {
  const places = [0, ...chosen.map(({ at }) => at), length];
  if (!isLegal(places, search)) return 0;
  const pieces = places.slice(1).map((at, i) => prior(search.prior, at - places[i]!));
  return [...pieces, ...chosen.map(({ probability }) => probability)].reduce((a, b) => a * b, 1);
}

/** The best of all subsets. */
function bruteForce(candidates: readonly Candidate[], length: number, search: LengthSearch): number {
  let best = 0;
  for (let set = 0; set < 2 ** candidates.length; set++) {
    const chosen = candidates.filter((_, i) => (set >> i) & 1);
    best = Math.max(best, worth(chosen, length, search));
  }
  return best;
}

function randomCase(random: Random): { candidates: Candidate[]; length: number; search: LengthSearch } {
  const length = random.int(1, 40);
  const places = new Set(
    Array.from({ length: random.int(0, 9) }, () => random.int(1, Math.max(1, length - 1))),
  );
  const candidates = [...places]
    .filter((at) => at < length)
    .sort((a, b) => a - b)
    .map((at) => ({ at, probability: random.next() * 0.98 + 0.01 }));
  const target = random.int(1, 20);
  const kind = random.pick(['uniform', 'gaussian', 'lognormal', 'clipped_polynomial'] as const);
  const spread = kind === 'lognormal' ? 0.5 : random.int(2, 25);
  const minLength = random.pick([1, 1, 3, 6]);
  const search = {
    minLength,
    maxLength: minLength + random.int(0, 20),
    prior: kind === 'uniform' ? { kind } : { kind, target, spread },
  };
  return { candidates, length, search };
}

describe('viterbiBoundaries', () => {
  it('is as good as the best of all subsets, and keeps to both lengths', () => {
    let feasible = 0;
    for (let seed = 1; seed <= 2000; seed++) {
      const { candidates, length, search } = randomCase(seededRandom(seed));
      const best = bruteForce(candidates, length, search);
      const relaxed = { ...search, minLength: 1 };
      const found = viterbiBoundaries(candidates, length, search);
      const label = `seed ${seed}`;
      if (best === 0 && bruteForce(candidates, length, relaxed) === 0) {
        expect(found, label).toBeUndefined();
        continue;
      }
      feasible++;
      const chosen = candidates.filter(({ at }) => found!.includes(at));
      expect(chosen, label).toHaveLength(found!.length);
      const goal = best > 0 ? best : bruteForce(candidates, length, relaxed);
      const value = worth(chosen, length, best > 0 ? search : relaxed);
      expect(value / goal, label).toBeCloseTo(1, 9);
    }
    expect(feasible).toBeGreaterThan(500);
  });

  it('takes certain boundaries for free, and none where one piece is allowed and they cost', () => {
    const search: LengthSearch = { minLength: 1, maxLength: 100, prior: { kind: 'uniform' } };
    expect(viterbiBoundaries([{ at: 5, probability: 0.9 }], 10, search)).toEqual([]);
    const near: LengthSearch = { ...search, prior: { kind: 'gaussian', target: 5, spread: 1 } };
    expect(viterbiBoundaries([{ at: 5, probability: 0.9 }], 10, near)).toEqual([5]);
  });
});

describe('greedyBoundaries', () => {
  it('takes the best end of each piece in turn', () => {
    const candidates = [3, 5, 8, 12].map((at, i) => ({ at, probability: [0.2, 0.9, 0.5, 0.6][i]! }));
    const search: LengthSearch = { minLength: 2, maxLength: 8, prior: { kind: 'uniform' } };
    expect(greedyBoundaries(candidates, 14, search)).toEqual([5, 12]);
    // From 12 on only two characters are left, and [5, 14) is longer than the maximum: they stay.
    expect(greedyBoundaries(candidates, 14, { ...search, minLength: 3 })).toEqual([5, 12]);
    expect(greedyBoundaries(candidates, 14, { ...search, minLength: 3, maxLength: 9 })).toEqual([5]);
    expect(greedyBoundaries([], 5, search)).toEqual([]);
  });

  it('keeps to the maximum wherever a candidate is in reach, and to the minimum but for the last', () => {
    for (let seed = 1; seed <= 1000; seed++) {
      const { candidates, length, search } = randomCase(seededRandom(seed));
      const places = [0, ...greedyBoundaries(candidates, length, search), length];
      for (const [i, at] of places.entries()) {
        if (i === 0) continue;
        const start = places[i - 1]!;
        const label = `seed ${seed}: [${start}, ${at})`;
        expect(at, label).toBeGreaterThan(start);
        if (i < places.length - 1) expect(at - start, label).toBeGreaterThanOrEqual(search.minLength);
        if (at - start <= search.maxLength) continue;
        const reached = candidates.filter(
          (c) => c.at - start >= search.minLength && c.at - start <= search.maxLength,
        );
        expect(reached, label).toEqual([]);
      }
    }
  });
});

describe('priors', () => {
  it('are the logarithms of their definitions', () => {
    for (const given of [
      { kind: 'uniform' },
      { kind: 'gaussian', target: 70, spread: 25 },
      { kind: 'lognormal', target: 70, spread: 0.5 },
      { kind: 'clipped_polynomial', target: 70, spread: 25 },
    ] as const) {
      for (const length of [1, 45, 46, 60, 70, 71, 94, 95, 300]) {
        const value = prior(given, length);
        if (value === 0) expect(logPrior(given, length)).toBe(Number.NEGATIVE_INFINITY);
        else expect(logPrior(given, length)).toBeCloseTo(Math.log(value), 9);
      }
      if (given.kind === 'uniform') continue;
      // All have their peak at the target.
      const lengths = Array.from({ length: 300 }, (_, i) => i + 1);
      const best = lengths.reduce((a, b) => (logPrior(given, b) > logPrior(given, a) ? b : a));
      expect(best, given.kind).toBe(70);
    }
  });

  it('are refused without a positive target and spread', () => {
    for (const [given, argument] of [
      [{ kind: 'gaussian', target: 0, spread: 1 }, 'prior.target'],
      [{ kind: 'lognormal', target: 5, spread: Number.NaN }, 'prior.spread'],
      [{ kind: 'flat' }, 'prior.kind'],
    ] as const) {
      expect(() => checkPrior(given as LengthPrior)).toThrowError(expect.objectContaining({ argument }));
    }
  });
});
