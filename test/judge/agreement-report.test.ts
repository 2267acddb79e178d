import { describe, expect, it } from 'vitest';
import type { Step, StepVerdict } from '../../lib/data/records.ts';
import { agreementReport } from '../../lib/judge/agreement-report.ts';
import { addVote, noCounts, tableOf } from '../../lib/judge/agreement-table.ts';
import { formatAgreement } from '../../lib/judge/format-agreement.ts';
import { seededRandom } from '../random.ts';

type Vote = 1 | 0 | -1;

function rowsOf(judge: string, responses: Record<string, Vote[]>, reason?: string): StepVerdict[] {
  return Object.entries(responses).flatMap(([rollout_id, votes]) =>
    votes.map((label, k) => ({
      ...{ rollout_id, segmenter_id: 's', k, judge_id: judge, label, scope: 'prefix' as const },
      reason: label === -1 ? (reason ?? 'timeout') : null,
    })),
  );
}

function stepsOf(responses: Record<string, number[]>): Step[] {
  return Object.entries(responses).flatMap(([rollout_id, lengths]) => {
    let end = 0;
    return lengths.map((length, k) => {
      const start = end;
      end += length;
      const span = { char_start: start, char_end: end, token_start: start, token_end: end };
      return { rollout_id, segmenter_id: 's', k, ...span };
    });
  });
}

/** Kappa and AC1 from the raw pairs, as their definitions put it: chance is the mean over all pairings. */
function fromPairs(pairs: [Vote, Vote][]) {
  const observed = pairs.filter(([a, b]) => a === b).length / pairs.length;
  let crossed = 0;
  for (const [a] of pairs) for (const [, b] of pairs) crossed += a === b ? 1 : 0;
  const chance = crossed / pairs.length ** 2;
  const pooled = pairs.flat();
  // AC1 with two categories: sum over categories of share * (1 - share), over q - 1 = 1.
  const share = pooled.filter((vote) => vote === 1).length / pooled.length;
  const byCategory = [share, 1 - share].reduce((sum, p) => sum + p * (1 - p), 0);
  return { kappa: (observed - chance) / (1 - chance), ac1: (observed - byCategory) / (1 - byCategory) };
}

describe('tableOf', () => {
  it('agrees with kappa and AC1 computed from the raw pairs', () => {
    const random = seededRandom(77);
    for (let round = 0; round < 100; round++) {
      const lean = random.next();
      const vote = (): Vote => (random.next() < lean ? 1 : 0);
      const pairs = Array.from({ length: random.int(3, 40) }, (): [Vote, Vote] => [vote(), vote()]);
      const counts = noCounts();
      const name = (value: Vote) => (value === 1 ? 'right' : 'wrong');
      for (const [a, b] of pairs) addVote(counts, name(a), name(b), 1);
      const { kappa, ac1 } = tableOf(counts);
      const expected = fromPairs(pairs);
      expect(ac1).toBeCloseTo(expected.ac1, 10);
      if (kappa === null) expect(expected.kappa).toBeNaN();
      else expect(kappa).toBeCloseTo(expected.kappa, 10);
    }
  });

  it("gives the paper's 2×2: agreement 56.8 %, kappa about 0.17", () => {
    const counts = { bothRight: 26, onlyFirstRight: 12, onlySecondRight: 39, bothWrong: 41, excluded: 0 };
    const table = tableOf(counts);
    expect(table.agreement).toBeCloseTo(0.568, 3);
    expect(table.kappa).toBeCloseTo(0.17, 2);
    expect(table.ac1).toBeCloseTo(0.151, 2);
  });

  it('keeps AC1 where kappa fails: nearly everything wrong by both', () => {
    const table = tableOf({
      bothRight: 0,
      onlyFirstRight: 5,
      onlySecondRight: 5,
      bothWrong: 90,
      excluded: 0,
    });
    expect(table.kappa!).toBeLessThan(0);
    expect(table.ac1!).toBeGreaterThan(0.85);
  });
});

describe('agreementReport', () => {
  const first = { a: [1, 1, 0, 0], b: [1, -1], c: [1] } satisfies Record<string, Vote[]>;
  const second = { a: [1, 0, 0, 0], b: [1, 1], c: [1] } satisfies Record<string, Vote[]>;
  const tokens = { a: [10, 20, 30, 40], b: [5, 5], c: [90] };
  const verdicts = [...rowsOf('x', first), ...rowsOf('y', second)];

  it('counts in steps and tokens, with shares, slices and first errors', () => {
    const report = agreementReport({ verdicts, steps: stepsOf(tokens) });
    expect(report).toMatchObject({ responses: 3, steps: 7, tokens: 200 });
    const [pair] = report.pairs;
    expect(pair!.steps).toMatchObject({
      bothRight: 3,
      onlyFirstRight: 1,
      bothWrong: 2,
      excluded: 1,
      total: 6,
    });
    expect(pair!.tokens).toMatchObject({ bothRight: 105, onlyFirstRight: 20, bothWrong: 70, excluded: 5 });
    expect(pair!.firstError).toEqual({ same: 1, compared: 2, open: 1 });
    expect(pair!.byLength.map(({ slice, table }) => [slice, table.total])).toEqual([
      ['1 step', 1],
      ['2 steps', 1],
      ['3–4 steps', 4],
    ]);
    expect(pair!.byPosition.map(({ table }) => table.total + table.excluded)).toEqual([3, 1, 2, 1, 0]);
    expect(report.consensus.steps.right).toBeCloseTo(3 / 7);
    expect(report.consensus.tokens!.right).toBeCloseTo(105 / 200);
    expect(report.judges[0]!.steps).toMatchObject({
      right: 4 / 7,
      wrong: 2 / 7,
      abstain: 1 / 7,
      notAsked: 0,
    });
  });

  it('leaves responses that were asked about in part out of agreement, and says how many', () => {
    const asked = rowsOf('y', { ...second, a: [1, -1, -1, -1] }, 'not-asked');
    const report = agreementReport({ verdicts: [...rowsOf('x', first), ...asked] });
    const [pair] = report.pairs;
    expect(pair).toMatchObject({ responses: 2, partlyAsked: 1 });
    expect(pair!.steps.total).toBe(2);
    expect(pair!.tokens).toBeNull();
    expect(report.judges[1]!.steps.notAsked).toBeCloseTo(3 / 7);
    expect(formatAgreement(report)).toContain('1 responses left out');
    const swapped = agreementReport({ verdicts: [...asked, ...rowsOf('x', first)] });
    expect(swapped.pairs[0]).toMatchObject({ first: 'y', responses: 2, partlyAsked: 1 });
  });

  it('can be of some responses only', () => {
    const report = agreementReport({ verdicts, rollouts: new Set(['a']) });
    expect(report).toMatchObject({ responses: 1, steps: 4 });
    expect(report.pairs[0]!.kappaInterval).toBeNull();
  });

  it('has an interval that holds the true kappa about 19 times in 20', () => {
    let held = 0;
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed);
      const draw = (): Record<string, Vote[]>[] => {
        const [a, b]: Record<string, Vote[]>[] = [{}, {}];
        for (let r = 0; r < 60; r++) {
          const truth = Array.from({ length: 5 }, () => random.next() < 0.5);
          for (const own of [a!, b!]) {
            own[`r${r}`] = truth.map((right) => ((random.next() < 0.85 ? right : !right) ? 1 : 0));
          }
        }
        return [a!, b!];
      };
      const [a, b] = draw();
      const report = agreementReport({
        verdicts: [...rowsOf('x', a!), ...rowsOf('y', b!)],
        replicates: 200,
        seed,
      });
      const { low, high } = report.pairs[0]!.kappaInterval!;
      // Agreement 0.85² + 0.15² = 0.745 with even shares: kappa 0.49.
      if (low <= 0.49 && 0.49 <= high) held++;
    }
    expect(held).toBeGreaterThanOrEqual(51);
  });

  it('is the same for the same seed', () => {
    expect(agreementReport({ verdicts, seed: 4 })).toEqual(agreementReport({ verdicts, seed: 4 }));
  });

  it('reads well', () => {
    const text = formatAgreement(agreementReport({ verdicts, steps: stepsOf(tokens) }));
    expect(text).toMatchInlineSnapshot(`
      "3 responses, 7 steps, 200 tokens; propagation propagate
      x: right 57.1 %, wrong 28.6 %, abstain 14.3 %
      y: right 57.1 %, wrong 42.9 %, abstain 0.0 %
      consensus (unanimity): right 42.9 %, wrong 42.9 %, abstain 14.3 %
      mined: 42.9 % of steps, 52.5 % of tokens

      x × y: 3 responses
                   both  only 1st  only 2nd   neither  agreement    kappa      AC1
        steps           3         1         0         2     83.3 %     0.67     0.68  kappa in [0.50, 0.67]
        tokens        105        20         0        70     89.7 %     0.79     0.80  kappa in [0.41, 0.83]
        0–20 %          3         0         0         0    100.0 %        –     1.00
        20–40 %         0         1         0         0      0.0 %     0.00    -1.00
        40–60 %         0         0         0         1    100.0 %        –     1.00
        60–80 %         0         0         0         1    100.0 %        –     1.00
        1 step          1         0         0         0    100.0 %        –     1.00
        2 steps         1         0         0         0    100.0 %        –     1.00
        3–4 steps       1         1         0         2     75.0 %     0.50     0.53
        first error at the same step: 50.0 % of 2 responses; open in 1
      "
    `);
  });
});
