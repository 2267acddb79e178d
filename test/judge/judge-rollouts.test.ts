import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Prompt, Rollout, Step } from '../../lib/data/records.ts';
import { StepVerdict } from '../../lib/data/records.ts';
import type { Judge, JudgeRequest } from '../../lib/judge/judge.ts';
import { judgeRollouts } from '../../lib/judge/judge-rollouts.ts';

const prompts: Prompt[] = [
  {
    prompt_id: 'p',
    messages: [{ role: 'user', content: 'Q' }],
    reward_model: { style: 'math', ground_truth: '1' },
  },
];

function rollout(id: string, text = 'aabbbc'): Rollout {
  const sampler = { engine: 'e', model: 'm' };
  return {
    rollout_id: id,
    prompt_id: 'p',
    iteration: 0,
    group_id: 'g',
    group_index: 0,
    response_text: text,
    sampler,
  };
}

function steps(id: string, ends = [2, 5, 6]): Step[] {
  return ends.map((end, k) => {
    const span = { char_start: ends[k - 1] ?? 0, char_end: end, token_start: null, token_end: null };
    return { rollout_id: id, segmenter_id: 's', k, ...span };
  });
}

class TestJudge implements Judge {
  readonly id: string;
  readonly seen: JudgeRequest[] = [];
  running = 0;
  peak = 0;
  readonly #work: (request: JudgeRequest, signal?: AbortSignal) => Promise<void>;

  constructor(id: string, work: (request: JudgeRequest, signal?: AbortSignal) => Promise<void>) {
    this.id = id;
    this.#work = work;
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}) {
    this.seen.push(request);
    this.peak = Math.max(this.peak, ++this.running);
    await this.#work(request, options.signal).finally(() => this.running--);
    const judgements = request.steps.map((step) => ({
      label: step.startsWith('b') ? ('wrong' as const) : ('right' as const),
      recovers: false,
      score: null,
      reason: step,
    }));
    return { judgements, usage: { promptTokens: 1, completionTokens: 2, seconds: 0.5 } };
  }
}

const ids = Array.from({ length: 10 }, (_, i) => `r${i}`);
const rollouts = ids.map((id) => rollout(id));
const allSteps = [...ids, 'other'].flatMap((id) => steps(id)).reverse();

describe('judgeRollouts', () => {
  it('asks every judge, bounded, and keeps the order whatever finishes first', async () => {
    const slowFirst = new TestJudge(
      'a',
      async ({ rolloutId }) => void (await delay(30 - 3 * Number(rolloutId.slice(1)))),
    );
    const quick = new TestJudge('b', async () => {});
    const progress: number[] = [];
    const { verdicts, usage } = await judgeRollouts({
      rollouts,
      prompts,
      steps: allSteps,
      judges: [slowFirst, quick],
      concurrency: 3,
      onProgress: ({ done, total }) => progress.push(done / total),
    });
    expect(slowFirst.peak).toBeLessThanOrEqual(3);
    expect(verdicts.map((row) => `${row.rollout_id} ${row.judge_id} ${row.k}`)).toEqual(
      ids.flatMap((id) => ['a', 'b'].flatMap((judge) => [0, 1, 2].map((k) => `${id} ${judge} ${k}`))),
    );
    expect(verdicts.slice(0, 3).map((row) => [row.label, row.reason])).toEqual([
      [1, 'aa'],
      [0, 'bbb'],
      [1, 'c'],
    ]);
    for (const row of verdicts) expect(StepVerdict.safeParse(row).success).toBe(true);
    expect(usage.a).toEqual({ promptTokens: 10, completionTokens: 20, seconds: 5 });
    expect(progress).toHaveLength(20);
    expect(progress.at(-1)).toBe(1);
    expect(slowFirst.seen[0]).toMatchObject({ problem: 'Q', groundTruth: '1', rolloutId: 'r0' });
  });

  it('stops at the first judge that throws', async () => {
    const failure = new Error('no such model');
    const judge = new TestJudge('a', async ({ rolloutId }) => {
      if (rolloutId === 'r2') throw failure;
      await delay(5);
    });
    const options = { rollouts, prompts, steps: allSteps, judges: [judge], concurrency: 2 };
    await expect(judgeRollouts(options)).rejects.toBe(failure);
    expect(judge.seen.length).toBeLessThan(6);
    expect(judge.running).toBe(0);
  });

  it("rejects with the caller's reason when aborted", async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const judge = new TestJudge('a', (_, signal) => delay(60_000, undefined, { signal: signal! }));
    const options = { rollouts, prompts, steps: allSteps, judges: [judge], signal: controller.signal };
    setTimeout(() => controller.abort(reason), 30);
    await expect(judgeRollouts(options)).rejects.toBe(reason);
    await expect(judgeRollouts(options)).rejects.toBe(reason);
  });

  it.each([
    ['a gap', steps('r0').filter((step) => step.k !== 1), 'expected step 1, found step 2'],
    ['a short cover', steps('r0', [2, 5]), 'cover 5 of 6 characters'],
    ['an empty step', steps('r0', [2, 2, 6]), 'step 1 spans 2–2'],
    [
      'two segmenters',
      steps('r0').map((step) => ({ ...step, segmenter_id: `s${step.k}` })),
      'more than one segmenter',
    ],
    ['no steps', [], 'cover 0 of 6 characters'],
  ])('refuses steps with %s', async (_, bad, message) => {
    const judge = new TestJudge('a', async () => {});
    const run = judgeRollouts({ rollouts: [rollout('r0')], prompts, steps: bad, judges: [judge] });
    await expect(run).rejects.toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
    await expect(run).rejects.toThrow(message);
    expect(judge.seen).toEqual([]);
  });

  it('refuses an unknown prompt, twin judges and a judge that miscounts', async () => {
    const judge = new TestJudge('a', async () => {});
    const base = { rollouts: [rollout('r0')], prompts, steps: allSteps, judges: [judge] };
    await expect(judgeRollouts({ ...base, prompts: [] })).rejects.toThrow('rollout r0: prompt p is absent');
    await expect(judgeRollouts({ ...base, judges: [judge, judge] })).rejects.toThrow(
      'two judges have the same id',
    );
    const silent: Judge = {
      id: 's',
      judge: async () => ({ judgements: [], usage: { promptTokens: 0, completionTokens: 0, seconds: 0 } }),
    };
    await expect(judgeRollouts({ ...base, judges: [silent] })).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_JUDGE',
    });
  });

  it('is content with nothing to do', async () => {
    expect(await judgeRollouts({ rollouts: [], prompts: [], steps: [], judges: [] })).toEqual({
      verdicts: [],
      usage: {},
      counts: {},
      stopped: null,
    });
  });
});
