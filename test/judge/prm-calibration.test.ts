import { describe, expect, it } from 'vitest';
import type { StepVerdict } from '../../lib/data/records.ts';
import { lambdaSweep, relabel } from '../../lib/judge/lambda-sweep.ts';
import {
  chooseLambda,
  precisionRecall,
  reliability,
  type ScoredStep,
  scoredSteps,
  wilson,
} from '../../lib/judge/prm-calibration.ts';
import { type Random, seededRandom } from '../random.ts';

const steps = (pairs: [number, 0 | 1][]): ScoredStep[] =>
  pairs.map(([score, right]) => ({ score, right: right === 1 }));

/** Steps whose score is the chance that they are right, drawn to some power. */
function drawn(random: Random, count: number, power = 1): ScoredStep[] {
  return Array.from({ length: count }, () => {
    const score = random.next();
    return { score, right: random.next() < score ** power };
  });
}

describe('precisionRecall', () => {
  it('has a point per distinct score, ties together', () => {
    const points = precisionRecall(
      steps([
        [0.9, 1],
        [0.8, 0],
        [0.8, 1],
        [0.1, 0],
      ]),
    );
    expect(
      points.map(({ lambda, called, precision, recall }) => [lambda, called, precision, recall]),
    ).toEqual([
      [0.9, 1, 1, 0.5],
      [0.8, 3, 2 / 3, 1],
      [0.1, 4, 0.5, 1],
    ]);
    expect(precisionRecall([])).toEqual([]);
    expect(precisionRecall(steps([[0.5, 0]]))[0]!.recall).toBeNull();
  });

  it('counts as a plain recount at each lambda does', () => {
    const random = seededRandom(8);
    const own = drawn(random, 300).map((step) => ({ ...step, score: Math.round(step.score * 20) / 20 }));
    for (const { lambda, precision, recall } of precisionRecall(own)) {
      const called = own.filter(({ score }) => score >= lambda);
      const hits = called.filter(({ right }) => right).length;
      expect(precision).toBeCloseTo(hits / called.length, 12);
      expect(recall).toBeCloseTo(hits / own.filter(({ right }) => right).length, 12);
    }
  });

  it('refuses scores that are no probabilities', () => {
    for (const score of [1.2, -0.1, Number.NaN])
      expect(() => precisionRecall([{ score, right: true }])).toThrow('score');
  });
});

describe('wilson', () => {
  it('solves its defining equation and covers', () => {
    for (const [hits, total] of [
      [0, 10],
      [3, 10],
      [10, 10],
      [450, 500],
    ] as const) {
      const { low, high } = wilson(hits, total);
      const share = hits / total;
      for (const end of [low, high]) {
        // |share - p| = z sqrt(p (1 - p) / n) at both ends.
        expect(Math.abs(share - end)).toBeCloseTo(1.959964 * Math.sqrt((end * (1 - end)) / total), 5);
      }
      expect(low).toBeLessThanOrEqual(share);
      expect(high).toBeGreaterThanOrEqual(share);
    }
    expect(wilson(0, 0)).toEqual({ low: 0, high: 1 });
  });
});

describe('chooseLambda', () => {
  it('keeps its promise on steps it has not seen, and gives no higher lambda than it must', () => {
    const seed = 2025;
    const random = seededRandom(seed);
    for (const precision of [0.7, 0.8, 0.9]) {
      const chosen = chooseLambda(drawn(random, 4000), { precision })!;
      // Score is the chance of being right, so the precision at lambda is (1 + lambda) / 2.
      expect((1 + chosen.lambda) / 2, `seed ${seed}`).toBeGreaterThan(precision - 0.005);
      expect((1 + chosen.lambda) / 2).toBeLessThan(precision + 0.05);
      expect(chosen.interval.low).toBeGreaterThanOrEqual(precision);
    }
  });

  it('is bolder by the estimate, and finds none where there is none', () => {
    const own = drawn(seededRandom(4), 400);
    const [low, estimate] = [
      chooseLambda(own, { precision: 0.8 })!,
      chooseLambda(own, { precision: 0.8, by: 'estimate' })!,
    ];
    expect(estimate.lambda).toBeLessThan(low.lambda);
    expect(chooseLambda(steps([[0.9, 1]]), { precision: 0.9 })).toBeNull();
    expect(chooseLambda(steps([[0.9, 0]]), { precision: 0.5, by: 'estimate' })).toBeNull();
    expect(() => chooseLambda(own, { precision: 0 })).toThrow('precision');
  });
});

describe('reliability', () => {
  it('is near 0 for honest scores and sees over-confidence', () => {
    const random = seededRandom(15);
    expect(reliability(drawn(random, 20_000)).ece).toBeLessThan(0.02);
    // Score s, truth s²: the mean gap is 1/2 - 1/3.
    const over = reliability(drawn(random, 20_000, 2));
    expect(over.ece).toBeCloseTo(1 / 6, 1);
    expect(over.bins.every(({ meanScore, shareRight }) => meanScore > shareRight - 0.03)).toBe(true);
  });

  it('counts by hand', () => {
    const { bins, ece, brier } = reliability(
      steps([
        [1, 1],
        [0.95, 0],
        [0.5, 1],
      ]),
      2,
    );
    expect(bins).toMatchObject([{ low: 0.5, high: 1, count: 3 }]);
    expect(ece).toBeCloseTo(Math.abs(2.45 / 3 - 2 / 3));
    expect(brier).toBeCloseTo((0 + 0.9025 + 0.25) / 3);
    expect(reliability([])).toEqual({ bins: [], ece: 0, brier: 0 });
  });
});

describe('relabel and lambdaSweep', () => {
  const row = (judge_id: string, k: number, label: 1 | 0 | -1, score: number | null): StepVerdict => ({
    ...{ rollout_id: 'r', segmenter_id: 's', k, judge_id, label, score, scope: 'prefix' },
  });
  const prm = 'prm:m(lambda=0.5)';
  const rows = [
    ...[0.9, 0.6, 0.3].map((score, k) => row(prm, k, score >= 0.5 ? 1 : 0, score)),
    row(prm, 3, -1, 0.99),
    ...[1, 0, 1, 1].map((label, k) => row('llm', k, label as 1 | 0, null)),
  ];

  it('labels stored scores anew, without touching other judges or abstentions', () => {
    const at = relabel(rows, 0.7);
    expect(at.map(({ label }) => label)).toEqual([1, 0, 0, -1, 1, 0, 1, 1]);
    expect(new Set(at.map(({ judge_id }) => judge_id))).toEqual(new Set(['prm:m(lambda=0.7)', 'llm']));
    const own = relabel(rows, 0.7, prm);
    expect(new Set(own.map(({ judge_id }) => judge_id))).toEqual(new Set(['prm:m(lambda=0.7)', 'llm']));
    expect(relabel(own, 0.5, 'prm:m(lambda=0.7)')).toEqual(rows);
    expect(() => relabel(rows, 2)).toThrow('lambda');
  });

  it('sweeps lambda: fewer mined as it rises, with kappa at each', () => {
    const stepRows = [10, 20, 30, 40].map((length, k) => ({
      ...{ rollout_id: 'r', segmenter_id: 's', k, char_start: 100 * k, char_end: 100 * k + length },
      ...{ token_start: 100 * k, token_end: 100 * k + length },
    }));
    const sweep = lambdaSweep({ verdicts: rows, judge: prm, lambdas: [0, 0.5, 0.7, 0.95], steps: stepRows });
    expect(sweep.map(({ right, minedSteps, minedTokens }) => [right, minedSteps, minedTokens])).toEqual([
      [0.75, 0.5, 0.4],
      [0.5, 0.25, 0.1],
      [0.25, 0.25, 0.1],
      [0, 0, 0],
    ]);
    expect(sweep[2]!.kappa.llm).toBeCloseTo(0.4);
    expect(() => lambdaSweep({ verdicts: rows, judge: 'llm', lambdas: [0.5] })).toThrow('with scores');
  });

  it('pairs scores with given labels', () => {
    const truth = new Map([['r', ['right', 'abstain', 'wrong', 'right'] as const]]);
    expect(scoredSteps(rows, prm, truth)).toEqual(
      steps([
        [0.9, 1],
        [0.3, 0],
      ]),
    );
  });
});
