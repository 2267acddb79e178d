import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { checkRollouts } from '../../lib/data/check-rollouts.ts';
import { contentId } from '../../lib/data/ids.ts';
import { writeJsonlAtomic } from '../../lib/data/jsonl.ts';
import { loadRollouts } from '../../lib/data/load-rollouts.ts';
import type { Rollout } from '../../lib/data/records.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();
const REAL = new URL('../../examples/rollouts-real/rollouts.jsonl', import.meta.url).pathname;

function jsonl(name: string, rows: object[]): string {
  writeFileSync(file(name), rows.map((row) => JSON.stringify(row)).join('\n'));
  return file(name);
}

function rollout(changes: Partial<Rollout> = {}): Rollout {
  return {
    rollout_id: 'r1',
    prompt_id: 'p1',
    iteration: 0,
    group_id: 'g1',
    group_index: 0,
    response_ids: [1, 2],
    response_text: 'ab',
    sampler: { engine: 'vllm', model: 'm' },
    ...changes,
  };
}

const prompt = {
  prompt_id: 'p1',
  messages: [{ role: 'user', content: '1+1?' }],
  reward_model: { style: 'math', ground_truth: '2' },
};

describe('a flat file', () => {
  it('reads the real rollouts', async () => {
    const { prompts, rollouts } = await loadRollouts(REAL);
    expect(rollouts).toHaveLength(502);
    expect(new Set(rollouts.map((row) => row.group_id)).size).toBe(52);
    expect(new Set(rollouts.map((row) => row.rollout_id)).size).toBe(502);
    expect(new Set(rollouts.map((row) => row.prompt_id))).toEqual(
      new Set(prompts.map((row) => row.prompt_id)),
    );
    const first = rollouts[0]!;
    expect(first).toMatchObject({
      source: 'inclusionAI/AReaL',
      source_label: true,
      check: 'right',
      dataset: 'aime24',
    });
    expect(first).toMatchObject({
      group_id: 'areal/aime24/11/deepscaler-1.5b',
      group_index: 0,
      iteration: 0,
    });
    expect(first.sampler.model).toBe('DeepScaleR-1.5B-Preview');
    expect(first).not.toHaveProperty('prompt');
    const own = prompts.find((row) => row.prompt_id === first.prompt_id)!;
    expect(own.reward_model).toEqual({ style: 'math', ground_truth: '294' });
    expect(own.prompt_id).toBe(contentId({ messages: own.messages, ground_truth: '294' }));
  });

  it('reads the tables back that it was turned into', async () => {
    const { prompts, rollouts } = await loadRollouts(REAL);
    await writeJsonlAtomic(file('prompts.jsonl'), prompts);
    await writeJsonlAtomic(file('rollouts.jsonl'), rollouts);
    expect(await loadRollouts(file('rollouts.jsonl'), { prompts: file('prompts.jsonl') })).toEqual({
      prompts,
      rollouts,
    });
  });

  it('groups by prompt and model where the file has no groups', async () => {
    const flat = { prompt: 'q', response: 'x', gold_answer: 4, model: 'm' };
    const rows = [flat, { ...flat, response: 'y' }, { ...flat, model: 'n' }];
    const { prompts, rollouts } = await loadRollouts(jsonl('ungrouped.jsonl', rows));
    expect(prompts).toHaveLength(1);
    expect(prompts[0]!.reward_model.ground_truth).toBe('4');
    expect(rollouts.map((row) => row.group_index)).toEqual([0, 1, 0]);
    expect(rollouts[0]!.group_id).toBe(rollouts[1]!.group_id);
    expect(rollouts[0]!.group_id).not.toBe(rollouts[2]!.group_id);
  });

  it.each([
    [
      [{ prompt: 'q', response: 'x', gold_answer: null }],
      'line 1: gold_answer: is of the wrong type (expected string or number), got null',
    ],
    [
      [
        { prompt: 'q', response: 'x', gold_answer: '1', prompt_id: 'g' },
        { prompt: 'other', response: 'x', gold_answer: '1', prompt_id: 'g' },
      ],
      'line 2: group_id: group g has another prompt on line 1',
    ],
    [
      [1, 2].map(() => ({ prompt: 'q', response: 'x', gold_answer: '1', prompt_id: 'g', sample_index: 3 })),
      'is already on line 1',
    ],
    [
      [{ prompt: 'q', response: 'x', gold_answer: '1', sampler: {} }],
      'line 1: sampler: is a column of the rollouts table',
    ],
    [
      [{ prompt: 'q', response: 'x', gold_answer: '1', iteration: 'a' }],
      'line 1: iteration: is of the wrong type',
    ],
  ])('names what is wrong (%#)', async (rows, expected) => {
    const error = await loadRollouts(jsonl('flat-bad.jsonl', rows)).catch((reason) => reason);
    expect(error.code).toBe('ERR_LAPIDARY_DATA');
    expect(error.message).toContain(expected);
  });
});

describe('the rollouts table', () => {
  it('derives an absent group from prompt, iteration and sampler', async () => {
    const { group_id: _, ...bare } = rollout();
    const rows = [bare, { ...bare, rollout_id: 'r2' }, { ...bare, rollout_id: 'r3', iteration: 1 }];
    const prompts = jsonl('p.jsonl', [prompt]);
    const { rollouts } = await loadRollouts(jsonl('t.jsonl', rows), { prompts });
    expect(rollouts[0]!.group_id).toBe(rollouts[1]!.group_id);
    expect(rollouts[0]!.group_id).not.toBe(rollouts[2]!.group_id);
  });

  it('needs its prompts', async () => {
    const table = jsonl('t2.jsonl', [rollout({ prompt_id: 'p9' })]);
    await expect(loadRollouts(table)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
      argument: 'prompts',
    });
    const prompts = jsonl('p2.jsonl', [prompt]);
    await expect(loadRollouts(table, { prompts })).rejects.toThrow('line 1: prompt_id: p9 is not in');
    const twice = jsonl('p3.jsonl', [prompt, prompt]);
    await expect(loadRollouts(table, { prompts: twice })).rejects.toThrow(
      'line 2: prompt_id: p1 is given twice',
    );
  });

  it.each([
    [{ text: 'x' }],
    [{ prompt: 'q', response: 'x', gold_answer: '1', rollout_id: 'r', prompt_id: 'p', response_text: 't' }],
  ])('says which fields tell the forms apart (%#)', async (row) => {
    await expect(loadRollouts(jsonl('unclear.jsonl', [row]))).rejects.toThrow(
      /line 1: row: form is unclear: .*gold_answer.*response_text/,
    );
  });
});

describe('checkRollouts', () => {
  const check =
    (changes: Partial<Rollout>, sequenceTerm = false) =>
    () =>
      checkRollouts([rollout(changes)], 'f.jsonl', { sequenceTerm });

  it.each<[Partial<Rollout>, string]>([
    [
      { behavior_logprobs: [-1], logprob_kind: 'raw_full_vocab' },
      'behavior_logprobs: has 1 entries, response_ids has 2',
    ],
    [{ behavior_logprobs: [-1, 0.1], logprob_kind: 'raw_full_vocab' }, 'behavior_logprobs[1]: is 0.1'],
    [{ behavior_logprobs: [Number.NaN, 0], logprob_kind: 'raw_full_vocab' }, 'behavior_logprobs[0]: is NaN'],
    [{ behavior_logprobs: [-1, -2] }, 'logprob_kind: is missing'],
    [{ behavior_logprobs: [], response_ids: null }, 'behavior_logprobs: is present without response_ids'],
    [{ ref_logprobs: [-1, -2, -3] }, 'ref_logprobs: has 3 entries, response_ids has 2'],
    [{ ref_logprobs: [Number.NEGATIVE_INFINITY, 0] }, 'ref_logprobs[0]: is -Infinity'],
  ])('refuses %j', (changes, expected) => {
    expect(check(changes)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }));
    expect(check(changes)).toThrow(`f.jsonl: line 1: ${expected}`);
  });

  it('refuses truncated log-probs only where the sequence term would use them', () => {
    const truncated: Partial<Rollout> = { behavior_logprobs: [-1, 0], logprob_kind: 'processed_truncated' };
    expect(check(truncated)).not.toThrow();
    expect(check(truncated, true)).toThrow(
      /logprob_kind: processed_truncated cannot anchor the sequence term/,
    );
    expect(check({ ...truncated, ref_logprobs: [-1, -1] }, true)).not.toThrow();
  });

  it('refuses an id given twice', () => {
    expect(() => checkRollouts([rollout(), rollout()], 'f')).toThrow(
      'f: line 2: rollout_id: r1 is already on line 1',
    );
  });
});
