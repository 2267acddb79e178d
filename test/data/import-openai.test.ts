import { describe, expect, it } from 'vitest';
import { importOpenai } from '../../lib/data/import-openai.ts';
import type { LapidaryError } from '../../lib/errors.ts';
import { writeLines } from './jsonl-lines.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();

const lines = (name: string, rows: readonly (object | string)[], newline = '\n') =>
  writeLines(file(name), rows, newline);

function choice(changes: object = {}): Record<string, unknown> {
  return {
    index: 0,
    message: { role: 'assistant', content: 'Four 🙂' },
    token_ids: [5, 6],
    logprobs: {
      content: [
        { token: 'Four', logprob: -0.5, top_logprobs: [] },
        { token: ' 🙂', logprob: -1.25, top_logprobs: [] },
      ],
    },
    finish_reason: 'stop',
    ...changes,
  };
}

function call(choices: object[], request: object = {}, row: object = {}): Record<string, unknown> {
  return {
    request: {
      model: 'm',
      messages: [{ role: 'user', content: '2+2?' }],
      temperature: 1,
      stop: ['#'],
      ...request,
    },
    response: { id: 'c1', model: 'm-2025', prompt_token_ids: [1, 2, 3], choices, usage: { total_tokens: 9 } },
    answer: 4,
    ...row,
  };
}

async function problemOf(row: object | string, options = {}): Promise<LapidaryError> {
  return importOpenai(lines('bad.jsonl', [row]), options).then(
    () => Promise.reject(new Error('no error')),
    (error) => error,
  );
}

describe('importOpenai', () => {
  it('reads a chat call: the choices are one group, in the order of their index', async () => {
    const second = choice({ index: 1, message: { content: null }, token_ids: [], logprobs: { content: [] } });
    const path = lines('chat.jsonl', [call([second, choice()], {}, { difficulty: 3 })], '\r\n');
    const { prompts, rollouts } = await importOpenai(path);
    expect(prompts).toHaveLength(1);
    expect(prompts[0]).toMatchObject({
      messages: [{ role: 'user', content: '2+2?' }],
      reward_model: { style: 'math', ground_truth: '4' },
    });
    expect(rollouts.map((row) => row.response_text)).toEqual(['Four 🙂', '']);
    expect(rollouts.map((row) => row.group_index)).toEqual([0, 1]);
    expect(rollouts[0]!.group_id).toBe(rollouts[1]!.group_id);
    expect(rollouts[0]).toMatchObject({
      prompt_ids: [1, 2, 3],
      response_ids: [5, 6],
      behavior_logprobs: [-0.5, -1.25],
      logprob_kind: 'raw_full_vocab',
      finish_reason: 'stop',
      difficulty: 3,
      sampler: { engine: 'imported', model: 'm-2025', temperature: 1 },
      request_call: { stop: ['#'] },
      response_call: { id: 'c1', usage: { total_tokens: 9 } },
    });
    expect(rollouts[1]!.behavior_logprobs).toEqual([]);
  });

  it('reads a bare text completion with prompt and answer beside it', async () => {
    const row = {
      prompt: '2+2?',
      answer: '4',
      object: 'text_completion',
      temperature: 1,
      choices: [
        {
          text: ' 4',
          finish_reason: 'length',
          prompt_token_ids: [1],
          token_ids: [9],
          logprobs: { token_logprobs: [-0.1] },
        },
      ],
    };
    const { rollouts } = await importOpenai(lines('text.jsonl', [row]));
    expect(rollouts).toHaveLength(1);
    expect(rollouts[0]).toMatchObject({
      response_text: ' 4',
      finish_reason: 'length',
      prompt_ids: [1],
      response_ids: [9],
      behavior_logprobs: [-0.1],
      logprob_kind: 'raw_full_vocab',
      response_call: { object: 'text_completion' },
    });
    expect(rollouts[0]).not.toHaveProperty('choices');
  });

  it('joins calls that ask the same with the same settings, whatever the seed', async () => {
    const path = lines('seeds.jsonl', [
      call([choice()], { seed: 1 }),
      call([choice()], { seed: 2 }),
      call([choice()], { seed: 3, temperature: 0.5 }),
    ]);
    const { rollouts } = await importOpenai(path, { logprobKind: 'raw_full_vocab' });
    expect(rollouts.map((row) => row.group_index)).toEqual([0, 1, 0]);
    expect(rollouts[0]!.group_id).toBe(rollouts[1]!.group_id);
    expect(rollouts[0]!.group_id).not.toBe(rollouts[2]!.group_id);
  });

  it('takes ids from tokens that are named by id, and keeps log-probs that no id belongs to', async () => {
    const named = choice({
      token_ids: null,
      logprobs: { content: [{ token: 'token_id:7', logprob: -2 }] },
    });
    const unnamed = choice({ token_ids: undefined, logprobs: { content: [{ token: 'x', logprob: -2 }] } });
    const { rollouts } = await importOpenai(lines('named.jsonl', [call([named]), call([unnamed])]));
    expect(rollouts[0]).toMatchObject({ response_ids: [7], behavior_logprobs: [-2] });
    expect(rollouts[1]).toMatchObject({ logprobs_without_ids: [-2] });
    expect(rollouts[1]).not.toHaveProperty('behavior_logprobs');
  });

  it.each([
    [{ temperature: 0.7 }],
    [{ temperature: undefined }],
    [{ top_p: 0.95 }],
    [{ top_k: 20 }],
    [{ min_p: 0.1 }],
    [{ repetition_penalty: 1.1 }],
    [{ frequency_penalty: 0.5 }],
    [{ logit_bias: { 7: -100 } }],
    [{ response_format: { type: 'json_object' } }],
    [{ response_format: 'json' }],
    [{ extra_body: { top_k: 20 } }],
  ])('asks what the log-probs are where %j does not prove it', async (request) => {
    const error = await problemOf(call([choice()], request));
    expect(error.code).toBe('ERR_LAPIDARY_DATA');
    expect(error.argument).toBe('logprob_kind');
    expect(error.message).toMatch(
      /line 1: logprob_kind: is unknown.*option logprobKind, one of raw_full_vocab/,
    );
    const path = lines('told.jsonl', [call([choice()], request)]);
    const { rollouts } = await importOpenai(path, { logprobKind: 'processed_truncated' });
    expect(rollouts[0]!.logprob_kind).toBe('processed_truncated');
  });

  it('counts neutral settings as none', async () => {
    const neutral = {
      extra_body: { top_k: -1, repetition_penalty: 1 },
      top_p: 1,
      min_p: 0,
      presence_penalty: 0,
      frequency_penalty: 0,
      logit_bias: {},
      response_format: { type: 'text' },
    };
    const { rollouts } = await importOpenai(lines('neutral.jsonl', [call([choice()], neutral)]));
    expect(rollouts[0]!.logprob_kind).toBe('raw_full_vocab');
  });

  it.each<[object | string, string]>([
    [call([choice({ token_ids: [1] })]), 'choices[0].logprobs: has 2 entries, choices[0].token_ids has 1'],
    [call([choice()], {}, { answer: undefined }), 'answer: is missing'],
    [call([choice()], {}, { answer: ' ' }), 'answer: is " "'],
    [call([choice()], { messages: undefined }), 'request: has neither messages nor a prompt text'],
    [call([]), 'response.choices'],
    [{ prompt: 'q', answer: 1 }, 'choices: is missing'],
    [call([choice({ message: undefined })]), 'choices[0].message: is missing, and so is text'],
    [
      call([choice({ message: { content: 'a', reasoning_content: 'b' } })]),
      'sample without a reasoning parser',
    ],
    [call([choice({ message: { content: null, tool_calls: [{}] } })]), 'tool calls are not supported'],
    [
      call([choice({ logprobs: { token_logprobs: [null, -1] } })]),
      'response.choices[0].logprobs.token_logprobs[0]: is of the wrong type (expected number), got null',
    ],
    [
      call([choice({ logprobs: { content: [{ logprob: 0.5 }, { logprob: -1 }] } })]),
      'behavior_logprobs[0]: is 0.5',
    ],
    [call([choice()], {}, { rollout_id: 'r' }), 'rollout_id: is a column of the rollouts table'],
    [call([choice()], {}, { logprob_kind: 'raw' }), 'logprob_kind: is "raw"; expected one of'],
    ['{"prompt": "q", "x": NaN}', 'x: is NaN'],
    ['{"prompt": ', 'row: is not valid JSON'],
  ])('says where a row is wrong (%#)', async (row, expected) => {
    const error = await problemOf(row);
    expect(error.code).toBe('ERR_LAPIDARY_DATA');
    expect(error.message).toContain('bad.jsonl: line 1: ');
    expect(error.message).toContain(expected);
  });

  it('leaves out the whole row of a bad choice, and the rest as it would be without that row', async () => {
    const good = call([choice(), choice({ index: 1 })]);
    const bad = call([choice(), choice({ index: 1, token_ids: [1, 2, 3] })]);
    const problems: string[] = [];
    const mixed = await importOpenai(lines('mixed.jsonl', [bad, '{', good, bad]), {
      onBadRow: (problem) => problems.push(problem.message.replace(/^.*: (line \d+): .*/, '$1')),
    });
    expect(problems).toEqual(['line 1', 'line 2', 'line 4']);
    expect(mixed).toEqual(await importOpenai(lines('only-good.jsonl', [good])));
  });
});
