import { describe, expect, it } from 'vitest';
import { importGrouped } from '../../lib/data/import-grouped.ts';
import { writeLines } from './jsonl-lines.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();

describe('importGrouped', () => {
  it('reads texts and objects side by side', async () => {
    const row = {
      prompt: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: '2+2?' },
      ],
      responses: [
        '4 🎉',
        '',
        { text: 'four', token_ids: [4, 5], logprobs: [-0.25, 0], finish_reason: 'length', reward: 1 },
      ],
      answer: '4',
      model: 'm',
      temperature: 1,
      dataset: 'sums',
      level: 'easy',
    };
    const { prompts, rollouts } = await importGrouped(writeLines(file('g.jsonl'), [row], '\r\n'));
    expect(prompts).toHaveLength(1);
    expect(prompts[0]).toMatchObject({ messages: row.prompt, data_source: 'sums' });
    expect(rollouts.map((rollout) => rollout.response_text)).toEqual(['4 🎉', '', 'four']);
    expect(new Set(rollouts.map((rollout) => rollout.group_id)).size).toBe(1);
    expect(rollouts.map((rollout) => rollout.group_index)).toEqual([0, 1, 2]);
    expect(rollouts[0]).not.toHaveProperty('response_ids');
    expect(rollouts[2]).toMatchObject({
      response_ids: [4, 5],
      behavior_logprobs: [-0.25, 0],
      logprob_kind: 'raw_full_vocab',
      finish_reason: 'length',
      reward: 1,
      level: 'easy',
      sampler: { model: 'm', temperature: 1 },
    });
  });

  it('takes the gold answer from a named column or from a map', async () => {
    const path = writeLines(file('answers.jsonl'), [{ prompt: 'q', responses: ['a'], solution: 7 }]);
    const both = writeLines(file('both-answers.jsonl'), [
      { prompt: 'q', responses: ['a'], solution: 7, answer: 8 },
    ]);
    expect((await importGrouped(both, { answerColumn: 'solution' })).rollouts[0]).toMatchObject({
      answer: 8,
    });
    const named = await importGrouped(path, { answerColumn: 'solution' });
    const mapped = await importGrouped(path, { answers: new Map([['q', 7]]) });
    expect(named.prompts).toEqual(mapped.prompts);
    expect(named.prompts[0]!.reward_model.ground_truth).toBe('7');
    expect(named.rollouts[0]).not.toHaveProperty('solution');
    expect(mapped.rollouts[0]).toMatchObject({ solution: 7 });
    await expect(importGrouped(path)).rejects.toThrow(
      'line 1: answer: is missing (looked for answer, gold_answer); name its column with the option answerColumn',
    );
  });

  it('gives the same ids whatever other rows the file holds', async () => {
    const one = { prompt: 'q', responses: ['a', 'b'], answer: 1 };
    const two = { prompt: 'p', responses: ['a'], answer: 1 };
    const alone = await importGrouped(writeLines(file('one.jsonl'), [one]));
    const beside = await importGrouped(writeLines(file('both.jsonl'), [two, one]));
    expect(beside.rollouts.slice(1)).toEqual(alone.rollouts);
  });

  it.each<[object, string]>([
    [
      { responses: [{ text: 'a', token_ids: [1], logprobs: [] }] },
      'responses[0].logprobs: has 0 entries, responses[0].token_ids has 1',
    ],
    [{ responses: [{ text: 'a', token_ids: [1.5] }] }, 'responses[0].token_ids[0]'],
    [{ responses: ['ok', { token_ids: [1] }] }, 'responses[1].text: is missing'],
    [{ responses: [] }, 'responses: '],
    [
      { responses: [{ text: 'a', token_ids: [1], logprobs: [-1] }], frequency_penalty: 0.5 },
      'logprob_kind: is unknown',
    ],
    [
      { responses: ['a'], temperature: 0.6, answer: { value: 1 } },
      'answer: is {"value":1}; expected a text or a number',
    ],
    [{ responses: [{ text: 'a', response_ids: [1] }] }, 'response_ids: is a column of the rollouts table'],
  ])('says where a row is wrong (%#)', async (changes, expected) => {
    const path = writeLines(file('bad.jsonl'), [{ prompt: 'q', answer: '1', temperature: 1, ...changes }]);
    await expect(importGrouped(path)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
      message: expect.stringContaining(`bad.jsonl: line 1: ${expected}`),
    });
  });

  it('keeps one group apart from another of the same name and another prompt', async () => {
    const rows = ['q', 'p'].map((prompt) => ({ prompt, responses: ['a'], answer: 1, group_id: 'g' }));
    await expect(importGrouped(writeLines(file('clash.jsonl'), rows))).rejects.toThrow(
      'line 2: group_id: group g has another prompt on line 1',
    );
  });
});
