import { describe, expect, it } from 'vitest';
import type { Judge, JudgeRequest, StepJudgement } from '../../lib/judge/judge.ts';
import { NoisyJudge } from '../../lib/judge/noisy-judge.ts';
import { RandomJudge } from '../../lib/judge/random-judge.ts';

/** Steps say their label: "r", "w", "a"; an upper-case R recovers. */
const told: Judge = {
  id: 'told',
  judge: async ({ steps }) => ({
    judgements: steps.map(
      (step): StepJudgement => ({
        label: ({ r: 'right', w: 'wrong', a: 'abstain' } as const)[step[0]!.toLowerCase() as 'r'],
        ...{ recovers: step.startsWith('R'), score: 0.5, reason: 'told' },
      }),
    ),
    usage: { promptTokens: 1, completionTokens: 2, seconds: 3 },
  }),
};
const request = (steps: string[], id = 'r', problem = 'p'): JudgeRequest => ({
  ...{ rolloutId: id, problem, groundTruth: null, steps },
});
const many = Array.from({ length: 400 }, (_, i) => request(['r', 'w', 'a', 'r', 'w'], `r${i}`, `p${i}`));
const labelsOf = async (judge: Judge, own: JudgeRequest) =>
  (await judge.judge(own)).judgements.map(({ label }) => label);

describe('NoisyJudge', () => {
  it('flips right and wrong at the stated rate and leaves abstentions', async () => {
    const judge = new NoisyJudge({ judge: told, rate: 0.2 });
    let flips = 0;
    for (const own of many) {
      const [plain, noisy] = [await labelsOf(told, own), await labelsOf(judge, own)];
      expect(noisy[2]).toBe('abstain');
      flips += plain.filter((label, k) => label !== noisy[k]).length;
    }
    // 1600 chances: SD 0.01.
    expect(Math.abs(flips / 1600 - 0.2)).toBeLessThan(0.04);
    const all = new NoisyJudge({ judge: told, rate: 1 });
    expect((await all.judge(request(['r', 'w', 'a']))).judgements).toMatchObject([
      { label: 'wrong', score: null, reason: 'flipped from right' },
      { label: 'right', recovers: false },
      { label: 'abstain', reason: 'told' },
    ]);
    const none = await new NoisyJudge({ judge: told, rate: 0 }).judge(many[0]!);
    expect(none).toEqual(await told.judge(many[0]!));
  });

  it('is a function of seed and content, not of id or order', async () => {
    const judge = new NoisyJudge({ judge: told, rate: 0.5, seed: 3 });
    const first = await Promise.all(many.map((own) => labelsOf(judge, own)));
    const again = new NoisyJudge({ judge: told, rate: 0.5, seed: 3 });
    for (const [i, own] of [...many.entries()].reverse()) {
      expect(await labelsOf(again, { ...own, rolloutId: 'other' })).toEqual(first[i]);
    }
    const other = new NoisyJudge({ judge: told, rate: 0.5, seed: 4 });
    expect(await Promise.all(many.map((own) => labelsOf(other, own)))).not.toEqual(first);
    expect(other.id).not.toBe(judge.id);
  });

  it('flips labels after propagation where told to, and is then of scope prefix', async () => {
    const judge = new NoisyJudge({ judge: told, rate: 0, flips: 'label' });
    expect(judge.scope).toBe('prefix');
    const steps = ['r', 'w', 'r', 'R', 'r'];
    expect(await labelsOf(judge, request(steps))).toEqual(['right', 'wrong', 'wrong', 'right', 'right']);
    const asked = { ...request(steps), asked: [2, 3] };
    expect(await labelsOf(judge, asked)).toEqual(['abstain', 'abstain', 'wrong', 'right', 'abstain']);
    expect(new NoisyJudge({ judge: told, rate: 0 }).scope).toBe('step');
    expect(new NoisyJudge({ judge: new RandomJudge({ right: 1 }), rate: 0 }).scope).toBe('prefix');
  });

  it('passes batches through where the inner judge takes them', async () => {
    expect(new NoisyJudge({ judge: told, rate: 0.2 }).judgeBatch).toBeUndefined();
    const inner: Judge = {
      ...told,
      batchSize: 7,
      judgeBatch: (requests) => Promise.all(requests.map((own) => told.judge(own))),
    };
    const judge = new NoisyJudge({ judge: inner, rate: 0.5 });
    expect(judge.batchSize).toBe(7);
    const batch = await judge.judgeBatch!(many.slice(0, 20));
    for (const [i, own] of many.slice(0, 20).entries()) expect(batch[i]).toEqual(await judge.judge(own));
  });

  it('refuses rates that are none', () => {
    for (const rate of [-0.1, 1.1, Number.NaN])
      expect(() => new NoisyJudge({ judge: told, rate })).toThrow('rate');
  });
});

describe('RandomJudge', () => {
  it('calls the stated share right, whatever the step says, the same each time', async () => {
    const judge = new RandomJudge({ right: 0.3, seed: 5 });
    const labels = await Promise.all(many.map((own) => labelsOf(judge, own)));
    const rights = labels.flat().filter((label) => label === 'right').length;
    // 2000 chances: SD 0.01.
    expect(Math.abs(rights / 2000 - 0.3)).toBeLessThan(0.04);
    expect(await Promise.all(many.map((own) => labelsOf(judge, own)))).toEqual(labels);
    expect(judge.scope).toBe('prefix');
  });

  it('draws independently of NoisyJudge with the same seed, and answers what is asked', async () => {
    const own = { ...request(['r', 'r', 'r']), asked: [1] };
    expect(await labelsOf(new RandomJudge({ right: 1 }), own)).toEqual(['abstain', 'right', 'abstain']);
    expect(() => new RandomJudge({ right: 2 })).toThrow('right');
    // A judge that flips where the other says right would make their agreement a sham.
    const [random, noisy] = [new RandomJudge({ right: 0.5 }), new NoisyJudge({ judge: told, rate: 0.5 })];
    let both = 0;
    for (const each of many) {
      const [a, b] = [await labelsOf(random, each), await labelsOf(noisy, each)];
      if ((a[0] === 'right') === (b[0] === 'wrong')) both++;
    }
    expect(Math.abs(both / 400 - 0.5)).toBeLessThan(0.1);
  });
});
