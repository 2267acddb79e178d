import { describe, expect, it } from 'vitest';
import { type Rollout, type Step, TrainRow, type Verdict } from '../../lib/data/records.ts';
import type { StepLabel } from '../../lib/judge/judge.ts';
import { groupAdvantages } from '../../lib/label/advantages.ts';
import { labelReport } from '../../lib/label/label-report.ts';
import { labelRollouts } from '../../lib/label/label-rollouts.ts';
import { trainingView } from '../../lib/label/training-view.ts';
import { type Random, seededRandom } from '../random.ts';

function rollout(
  id: string,
  group: string,
  verdict: Verdict | null,
  tokens = 4,
  more: Partial<Rollout> = {},
): Rollout {
  return {
    rollout_id: id,
    prompt_id: 'p',
    iteration: 0,
    group_id: group,
    group_index: 0,
    response_ids: Array.from({ length: tokens }, (_, i) => i),
    response_text: 'x'.repeat(tokens),
    sampler: { engine: 'e', model: 'm' },
    verdict,
    ...more,
  };
}

function steps(id: string, ends: number[]): Step[] {
  return ends.map((end, k) => {
    const start = ends[k - 1] ?? 0;
    const span = { char_start: start, char_end: end, token_start: start, token_end: end };
    return { rollout_id: id, segmenter_id: 's', k, ...span };
  });
}

describe('groupAdvantages', () => {
  it('gives known values', () => {
    expect(groupAdvantages([1, 0, 0, 1], 'mean')).toEqual([0.5, -0.5, -0.5, 0.5]);
    expect(groupAdvantages([1, 0], 'mean-std')[0]).toBeCloseTo(0.5 / (Math.SQRT1_2 + 1e-6), 12);
    expect(groupAdvantages([1, 0, 0.5], 'rft')).toEqual([1, 0, 0]);
    expect(groupAdvantages([0.1, 0.1, 0.1], 'mean')).toEqual([0, 0, 0]);
    expect(groupAdvantages([3], 'mean-std')).toEqual([0]);
    expect(groupAdvantages([], 'mean')).toEqual([]);
  });

  it('sums to 0 and does not hang on a shift of the rewards', () => {
    const random = seededRandom(2);
    for (let round = 0; round < 200; round++) {
      const rewards = Array.from({ length: random.int(1, 40) }, () => random.int(-3, 3));
      for (const kind of ['mean', 'mean-std'] as const) {
        const values = groupAdvantages(rewards, kind);
        expect(values.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 10);
        const shifted = groupAdvantages(
          rewards.map((reward) => reward + 5),
          kind,
        );
        for (const [i, value] of shifted.entries()) expect(value).toBeCloseTo(values[i]!, 10);
      }
    }
  });

  it('refuses rewards that are no numbers', () => {
    expect(() => groupAdvantages([0, Number.NaN], 'mean')).toThrow('rewards[1]: got NaN');
  });
});

describe('labelRollouts', () => {
  const base = {
    steps: [],
    consensus: new Map<string, StepLabel[]>(),
    beta: 0.5,
    advantage: 'mean',
  } as const;

  it('relieves right steps inside wrong responses only', () => {
    const rows = labelRollouts({
      ...base,
      rollouts: [rollout('a', 'g', 'wrong'), rollout('b', 'g', 'right')],
      steps: [...steps('a', [1, 3, 4]).reverse(), ...steps('b', [4])],
      consensus: new Map([
        ['a', ['wrong', 'right', 'abstain']],
        ['b', ['right']],
      ]),
    });
    expect(rows.map((row) => row.token_weight)).toEqual([
      [1, 0.5, 0.5, 1],
      [1, 1, 1, 1],
    ]);
    expect(rows.map((row) => row.advantage)).toEqual([-0.5, 0.5]);
  });

  it('keeps unknown verdicts out of the mean and flat groups out of training', () => {
    const rollouts = [
      rollout('a', 'g', 'right'),
      rollout('b', 'g', 'unknown'),
      rollout('c', 'g', 'wrong'),
      rollout('d', 'flat', 'wrong'),
      rollout('e', 'flat', 'wrong'),
      rollout('f', 'flat', 'unknown'),
    ];
    const rows = labelRollouts({ ...base, rollouts });
    expect(rows.map((row) => [row.rollout_id, row.advantage, row.drop_reason])).toEqual([
      ['a', 0.5, null],
      ['b', 0, 'unknown_verdict'],
      ['c', -0.5, null],
      ['d', 0, 'flat_group'],
      ['e', 0, 'flat_group'],
      ['f', 0, 'unknown_verdict'],
    ]);
    expect(trainingView(rows).map((row) => row.rollout_id)).toEqual(['a', 'c']);
  });

  it('uses stored rewards where there are any', () => {
    const rollouts = [
      rollout('a', 'g', 'right', 1, { reward: 1 }),
      rollout('b', 'g', 'wrong', 1, { reward: -1 }),
    ];
    expect(labelRollouts({ ...base, rollouts }).map((row) => row.advantage)).toEqual([1, -1]);
  });

  it('holds its promises on random data', () => {
    const random = seededRandom(4);
    for (let round = 0; round < 100; round++) {
      const { rollouts, ownSteps, consensus } = randomCase(random);
      const beta = random.next() * 2 - 1;
      const rows = labelRollouts({ rollouts, steps: ownSteps, consensus, beta, advantage: 'mean' });
      expect(rows.map((row) => row.rollout_id)).toEqual(rollouts.map((row) => row.rollout_id));
      const sums = new Map<string, number>();
      for (const [i, row] of rows.entries()) {
        expect(TrainRow.safeParse(row).success).toBe(true);
        expect(row.token_weight).toHaveLength(rollouts[i]!.response_ids!.length);
        if (rollouts[i]!.verdict !== 'wrong')
          expect(row.token_weight.every((weight) => weight === 1)).toBe(true);
        sums.set(row.group_id, (sums.get(row.group_id) ?? 0) + row.advantage);
      }
      for (const sum of sums.values()) expect(sum).toBeCloseTo(0, 10);
      const report = labelReport({ rollouts, steps: ownSteps, verdicts: [], consensus });
      const trained = new Set(trainingView(rows).map((row) => row.rollout_id));
      const relieved = rows.filter((row) => trained.has(row.rollout_id)).flatMap((row) => row.token_weight);
      expect(report.relievedTokens).toBe(relieved.filter((weight) => weight !== 1).length);
      const { mixed, allRight, allWrong, unknown } = report.groups;
      expect(mixed + allRight + allWrong + unknown).toBe(sums.size);
    }
  });

  it.each([
    [
      { rollouts: [rollout('a', 'g', 'wrong', 2, { response_ids: null })] },
      'rollout a: response_ids: is missing',
      'DATA',
    ],
    [{ rollouts: [rollout('a', 'g', null)] }, 'rollout a: verdict: is not computed', 'DATA'],
    [{ rollouts: [], beta: 1.01 }, 'beta: got 1.01; expected a number in [-1, 1]', 'ARGUMENT'],
    [{ rollouts: [], beta: Number.NaN }, 'beta: got NaN', 'ARGUMENT'],
    [
      {
        rollouts: [rollout('a', 'g', 'wrong')],
        steps: steps('a', [4]),
        consensus: new Map([['a', ['right', 'right'] as StepLabel[]]]),
      },
      'rollout a: consensus: has 2 labels for 1 steps',
      'DATA',
    ],
    [
      {
        rollouts: [rollout('a', 'g', 'wrong')],
        steps: steps('a', [5]),
        consensus: new Map([['a', ['right'] as StepLabel[]]]),
      },
      'rollout a: steps: step 0 spans tokens 0–5 of a response of 4',
      'DATA',
    ],
    [
      {
        rollouts: [rollout('a', 'g', 'wrong')],
        steps: steps('a', [4]).map((step) => ({ ...step, token_start: null, token_end: null })),
        consensus: new Map([['a', ['right'] as StepLabel[]]]),
      },
      'rollout a: steps: step 0 has no token span',
      'DATA',
    ],
  ])('names what is wrong (%#)', (changes, message, code) => {
    const run = () => labelRollouts({ ...base, ...changes });
    expect(run).toThrow(message);
    expect(run).toThrowError(expect.objectContaining({ code: `ERR_LAPIDARY_${code}` }));
  });
});

describe('labelReport', () => {
  it('counts', () => {
    const rollouts = [
      rollout('a', 'g', 'right'),
      rollout('b', 'g', 'wrong'),
      rollout('c', 'g', 'wrong'),
      rollout('d', 'h', 'wrong', 9),
      rollout('e', 'i', 'unknown'),
      rollout('f', 'j', 'right'),
    ];
    const verdict = (k: number, label: 1 | 0 | -1) => ({
      rollout_id: 'b',
      segmenter_id: 's',
      k,
      judge_id: 'j',
      label,
    });
    const report = labelReport({
      rollouts,
      steps: steps('b', [1, 4]),
      verdicts: [verdict(0, 1), verdict(1, 0)],
      consensus: new Map([['b', ['right', 'wrong']]]),
    });
    expect(report).toEqual({
      responses: { right: 2, wrong: 3, unknown: 1, total: 6 },
      groups: { mixed: 1, allRight: 1, allWrong: 1, unknown: 1 },
      steps: 2,
      verdicts: { j: { right: 1, wrong: 1, abstain: 0 } },
      consensus: { right: 1, wrong: 1, abstain: 0 },
      wrongResponsesTrained: 2,
      wrongResponsesUnjudged: 1,
      wrongTokens: 8,
      relievedTokens: 1,
      relievedShare: 0.125,
    });
  });
});

function randomCase(random: Random) {
  const rollouts: Rollout[] = [];
  const ownSteps: Step[] = [];
  const consensus = new Map<string, StepLabel[]>();
  for (let i = 0; i < 20; i++) {
    const ends = Array.from({ length: random.int(0, 4) }, () => random.int(1, 5));
    for (let k = 1; k < ends.length; k++) ends[k]! += ends[k - 1]!;
    const verdict = random.pick<Verdict>(['right', 'wrong', 'wrong', 'unknown']);
    rollouts.push(rollout(`r${i}`, `g${random.int(0, 4)}`, verdict, ends.at(-1) ?? 0));
    ownSteps.push(...steps(`r${i}`, ends));
    if (random.next() < 0.8)
      consensus.set(
        `r${i}`,
        ends.map(() => random.pick<StepLabel>(['right', 'wrong', 'abstain'])),
      );
  }
  return { rollouts, ownSteps, consensus };
}
