import { describe, expect, it } from 'vitest';
import { importNemoRl } from '../../lib/data/import-nemo-rl.ts';
import { importTrl } from '../../lib/data/import-trl.ts';
import { importVerl } from '../../lib/data/import-verl.ts';
import { writeLines } from './jsonl-lines.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();
const problem = (text: string) => ({
  code: 'ERR_LAPIDARY_DATA',
  message: expect.stringContaining(text),
});

describe('importTrl', () => {
  const row = {
    step: 3,
    prompt: '2+2?',
    completion: 'four 🙂',
    accuracy_reward: 1,
    format_reward: 0,
    advantage: 0.5,
  };
  const answers = new Map([['2+2?', 4]]);

  it('reads text, keeps the reward columns, and groups by prompt and step', async () => {
    const rows = [row, { ...row, completion: '' }, { ...row, step: 4 }];
    const { prompts, rollouts } = await importTrl(writeLines(file('t.jsonl'), rows, '\r\n'), { answers });
    expect(prompts).toHaveLength(1);
    expect(prompts[0]!.reward_model.ground_truth).toBe('4');
    expect(rollouts.map((r) => [r.iteration, r.group_index, r.response_text])).toEqual([
      [3, 0, 'four 🙂'],
      [3, 1, ''],
      [4, 0, 'four 🙂'],
    ]);
    expect(rollouts[0]!.group_id).toBe(rollouts[1]!.group_id);
    expect(rollouts[0]!.group_id).not.toBe(rollouts[2]!.group_id);
    expect(rollouts[0]).toMatchObject({ accuracy_reward: 1, format_reward: 0, advantage: 0.5 });
    expect(rollouts[0]!.response_ids).toBeUndefined();
  });

  it('reads chats, the answer being looked up by the last message', async () => {
    const chat = {
      ...row,
      prompt: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: '2+2?' },
      ],
      completion: [{ role: 'assistant', content: 'four' }],
    };
    const { prompts, rollouts } = await importTrl(writeLines(file('chat.jsonl'), [chat]), { answers });
    expect(prompts[0]!.messages).toEqual(chat.prompt);
    expect(rollouts[0]!.response_text).toBe('four');
    const turns = { ...chat, completion: [...chat.completion, ...chat.completion] };
    await expect(importTrl(writeLines(file('turns.jsonl'), [turns]), { answers })).rejects.toMatchObject(
      problem('turns.jsonl: line 1: completion: has 2 messages'),
    );
  });

  it('says how to give the gold answer that TRL does not log', async () => {
    const path = writeLines(file('none.jsonl'), [{ ...row, prompt: 'another' }]);
    await expect(importTrl(path, { answers })).rejects.toMatchObject(
      problem(
        'line 1: answer: is missing (looked for answer, gold_answer); name its column with the option answerColumn',
      ),
    );
  });
});

describe('importVerl', () => {
  const row = { input: 'user\n2+2?\nassistant\n', output: 'four', gts: '4', score: 1, step: 7, acc: true };

  it('reads a dump', async () => {
    const rows = [row, { ...row, output: '', score: 0 }];
    const { prompts, rollouts } = await importVerl(writeLines(file('v.jsonl'), rows));
    expect(prompts).toHaveLength(1);
    expect(prompts[0]).toMatchObject({
      messages: [{ role: 'user', content: row.input }],
      reward_model: { ground_truth: '4' },
    });
    expect(rollouts.map((r) => r.response_text)).toEqual(['four', '']);
    expect(rollouts[0]).toMatchObject({ iteration: 7, score: 1, acc: true });
    for (const column of ['input', 'output', 'gts', 'step']) expect(rollouts[0]).not.toHaveProperty(column);
  });

  it.each<[object, string]>([
    [{ gts: null }, 'gts: is missing (looked for gts)'],
    [{ output: 5 }, 'output: is of the wrong type'],
    [{ step: -1 }, 'step: '],
  ])('says where a row is wrong (%#)', async (changes, expected) => {
    const path = writeLines(file('vbad.jsonl'), [row, { ...row, ...changes }]);
    await expect(importVerl(path)).rejects.toMatchObject(problem(`vbad.jsonl: line 2: ${expected}`));
  });
});

describe('importNemoRl', () => {
  // Two prompt tokens, three sampled ones, two of padding.
  const row = {
    content: ['2+2?', 'fo ur.'],
    token_ids: [11, 12, 21, 22, 23, 0, 0],
    token_loss_mask: [0, 0, 1, 1, 1, 0, 0],
    generation_logprobs: [0, 0, -0.1, -0.2, -0.3, 0, 0],
    input_lengths: 5,
    answer: '4',
    rewards: 1,
    temperature: 1,
  };
  const read = async (changes: object, options = {}) =>
    (await importNemoRl(writeLines(file('n.jsonl'), [{ ...row, ...changes }]), options)).rollouts[0]!;

  it('splits tokens, log-probs and text by the mask', async () => {
    const rollout = await read({});
    expect(rollout).toMatchObject({
      prompt_ids: [11, 12],
      response_ids: [21, 22, 23],
      behavior_logprobs: [-0.1, -0.2, -0.3],
      logprob_kind: 'raw_full_vocab',
      response_text: 'fo ur.',
      rewards: 1,
    });
    expect(rollout).not.toHaveProperty('token_loss_mask');
    expect(await read({ token_loss_mask: row.token_loss_mask.map(Boolean) })).toEqual(rollout);
    expect(await read({ generation_logprobs: [-0.1, -0.2, -0.3], input_lengths: [5] })).toEqual(rollout);
  });

  it('splits one piece of text by the prompt column or with a decoder', async () => {
    const rollout = await read({ content: null, text: '2+2?fo ur.', prompt: '2+2?' });
    expect(rollout).toEqual(await read({}));
    const words: Record<number, string> = { 11: '2+', 12: '2?', 21: 'fo', 22: ' ', 23: 'ur.' };
    const decode = (ids: readonly number[]) => ids.map((id) => words[id]).join('');
    expect(await read({ content: '2+2?fo ur.' }, { decode })).toEqual(rollout);
  });

  it('reads a response without tokens', async () => {
    const changes = {
      token_loss_mask: [0, 0, 0],
      token_ids: [11, 12, 0],
      generation_logprobs: [0, 0, 0],
      input_lengths: 2,
    };
    expect(await read({ ...changes, content: ['2+2?', ''] })).toMatchObject({
      prompt_ids: [11, 12],
      response_ids: [],
      behavior_logprobs: [],
      response_text: '',
    });
  });

  it.each<[object, string]>([
    [{ token_loss_mask: [0, 1] }, 'token_loss_mask: has 2 entries, token_ids has 7'],
    [
      { generation_logprobs: [-1, -1] },
      'generation_logprobs: has 2 entries, token_ids has 7 (3 of them sampled)',
    ],
    [{ token_loss_mask: [0, 1, 0, 1, 1, 0, 0] }, 'token_loss_mask[2]: is 0 inside the response'],
    [{ token_loss_mask: [0, 0, 2, 1, 1, 0, 0] }, 'token_loss_mask[2]'],
    [{ input_lengths: 4 }, 'input_lengths: is 4; token_ids has 7, and the mask ends at 5'],
    [{ content: 'all in one' }, 'content: does not tell prompt from response; give the option decode'],
    [{ content: null }, 'text: is missing, and so is the option decode'],
    [{ content: ['response'] }, 'content: has 1 texts; expected prompt and response'],
    [{ content: 'x', prompt: 'y' }, 'content: does not begin with the text of the column prompt'],
    [{ temperature: 0.5 }, 'logprob_kind: is unknown'],
  ])('says where a row is wrong (%#)', async (changes, expected) => {
    await expect(read(changes)).rejects.toMatchObject(problem(`n.jsonl: line 1: ${expected}`));
  });
});
