import { describe, expect, it } from 'vitest';
import type { StepVerdict } from '../../lib/data/records.ts';
import { dawidSkene } from '../../lib/judge/dawid-skene.ts';
import type { StepLabel } from '../../lib/judge/judge.ts';
import { consensusView } from '../../lib/judge/verdict-view.ts';
import { seededRandom } from '../random.ts';

interface Annotator {
  sensitivity: number;
  specificity: number;
  /** Chance of voting at all. */
  votes: number;
}

function simulate(seed: number, count: number, share: number, annotators: Annotator[]) {
  const random = seededRandom(seed);
  const truth = Array.from({ length: count }, () => random.next() < share);
  const labels = annotators.map(({ sensitivity, specificity, votes }) =>
    truth.map((right): StepLabel => {
      if (random.next() >= votes) return 'abstain';
      const saysRight = random.next() < (right ? sensitivity : 1 - specificity);
      return saysRight ? 'right' : 'wrong';
    }),
  );
  return { truth, labels };
}

const ANNOTATORS: Annotator[] = [
  { sensitivity: 0.95, specificity: 0.6, votes: 1 },
  { sensitivity: 0.4, specificity: 0.93, votes: 0.8 },
  { sensitivity: 0.8, specificity: 0.85, votes: 0.7 },
  { sensitivity: 0.7, specificity: 0.7, votes: 1 },
];

/** The rates of three judges without abstentions in closed form, from the moments of their votes (no iteration). */
function byMoments(labels: readonly (readonly StepLabel[])[]) {
  const votes = labels.map((own) => own.map((label) => (label === 'right' ? 1 : 0)));
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const m = votes.map(mean);
  const d = votes.map((own, j) => own.map((vote) => vote - m[j]!));
  const c = (...judges: number[]) => mean(d[0]!.map((_, i) => judges.reduce((p, j) => p * d[j]![i]!, 1)));
  const [c01, c02, c12, c012] = [c(0, 1), c(0, 2), c(1, 2), c(0, 1, 2)];
  // With share p and gaps g_j = sensitivity + specificity - 1: c_ij = p(1-p) g_i g_j, c_012 = p(1-p)(1-2p) g_0 g_1 g_2.
  const skew = c012 / Math.sqrt(c01 * c02 * c12);
  const spread = 1 / (skew * skew + 4);
  const p = 0.5 - (Math.sign(skew) * Math.sqrt(1 - 4 * spread)) / 2;
  const gaps = [(c01 * c02) / c12, (c01 * c12) / c02, (c02 * c12) / c01].map((x) => Math.sqrt(x / spread));
  return {
    p,
    rates: gaps.map((g, j) => ({ sensitivity: m[j]! + (1 - p) * g, specificity: 1 - (m[j]! - p * g) })),
  };
}

describe('dawidSkene', () => {
  it('finds known error rates of simulated annotators who abstain at times', () => {
    const seed = 11;
    const { truth, labels } = simulate(seed, 20_000, 0.3, ANNOTATORS);
    const result = dawidSkene(labels, { iterations: 500 });
    expect(result.prior, `seed ${seed}`).toBeCloseTo(0.3, 1);
    for (const [j, { sensitivity, specificity }] of result.judges.entries()) {
      expect(Math.abs(sensitivity - ANNOTATORS[j]!.sensitivity), `judge ${j}`).toBeLessThan(0.03);
      expect(Math.abs(specificity - ANNOTATORS[j]!.specificity), `judge ${j}`).toBeLessThan(0.03);
    }
    // Posteriors are calibrated: of the steps given about 0.8, about 0.8 are right.
    const near = truth.filter((_, i) => Math.abs(result.posterior[i]! - 0.8) < 0.1);
    expect(near.length).toBeGreaterThan(200);
    expect(Math.abs(near.filter(Boolean).length / near.length - 0.8)).toBeLessThan(0.08);
  });

  it('agrees with the closed form for three annotators', () => {
    const { labels } = simulate(
      3,
      50_000,
      0.35,
      ANNOTATORS.slice(0, 3).map((one) => ({ ...one, votes: 1 })),
    );
    const iterated = dawidSkene(labels, { iterations: 2000, tolerance: 1e-10 });
    const { p, rates } = byMoments(labels);
    expect(Math.abs(iterated.prior - p)).toBeLessThan(0.003);
    for (const [j, { sensitivity, specificity }] of rates.entries()) {
      expect(Math.abs(iterated.judges[j]!.sensitivity - sensitivity)).toBeLessThan(0.003);
      expect(Math.abs(iterated.judges[j]!.specificity - specificity)).toBeLessThan(0.003);
    }
  });

  it('never lowers the likelihood, and does as many rounds as it is told', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { labels } = simulate(seed, 60, 0.5, ANNOTATORS);
      const { logLikelihood, iterations } = dawidSkene(labels, { iterations: 30, tolerance: 0 });
      expect(iterations).toBe(30);
      for (let i = 1; i < logLikelihood.length; i++) {
        expect(logLikelihood[i]! - logLikelihood[i - 1]!, `seed ${seed}`).toBeGreaterThan(-1e-9);
      }
    }
  });

  it('has no opinion where no one voted, and none that is certain', () => {
    const labels: StepLabel[][] = [0, 1, 2].map(() => ['right', 'right', 'wrong', 'abstain']);
    const { posterior, judges } = dawidSkene(labels);
    expect(posterior[3]).toBeNull();
    expect(posterior[0]).toBeGreaterThan(0.5);
    expect(posterior[2]).toBeLessThan(0.5);
    for (const { sensitivity } of judges) expect(sensitivity).toBeLessThan(1);
    expect(dawidSkene([[], [], []]).posterior).toEqual([]);
    expect(() => dawidSkene([['right'], ['right']])).toThrow('at least 3');
    expect(() => dawidSkene([['right'], ['right'], []])).toThrow('different lengths');
  });

  it('is a rule of the view, and then more exact than the best judge', () => {
    const { truth, labels } = simulate(5, 4000, 0.4, ANNOTATORS);
    const rows = labels.flatMap((own, j) =>
      own.map(
        (label, i): StepVerdict => ({
          ...{ rollout_id: `r${Math.floor(i / 8)}`, segmenter_id: 's', k: i % 8, judge_id: `j${j}` },
          ...{ label: label === 'right' ? 1 : label === 'wrong' ? 0 : -1, scope: 'prefix' },
        }),
      ),
    );
    const view = consensusView(rows, { rule: { dawidSkene: { threshold: 0.9, iterations: 200 } } });
    const flat = [...view.values()].flat();
    const called = truth.filter((_, i) => flat[i] === 'right');
    expect(called.length).toBeGreaterThan(300);
    expect(called.filter(Boolean).length / called.length).toBeGreaterThan(0.9);
    expect(new Set(flat)).toEqual(new Set(['right', 'wrong', 'abstain']));
  });
});
