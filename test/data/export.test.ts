import { describe, expect, it } from 'vitest';
import { EXPORT_FORMATS, type ExportFormat, exportRows } from '../../lib/data/export-rows.ts';
import type { ExportSource } from '../../lib/data/export-source.ts';
import { importRollouts } from '../../lib/data/import-rollouts.ts';
import { writeJsonlAtomic } from '../../lib/data/jsonl.ts';
import type { Prompt, Rollout, Step, TrainRow } from '../../lib/data/records.ts';
import { seededRandom } from '../random.ts';
import { writeLines } from './jsonl-lines.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();

const prompt: Prompt = {
  prompt_id: 'p',
  messages: [{ role: 'user', content: '2+2?' }],
  data_source: 'sums',
  reward_model: { style: 'math', ground_truth: '4' },
};
const rollout: Rollout = {
  rollout_id: 'r',
  prompt_id: 'p',
  iteration: 0,
  group_id: 'g',
  group_index: 0,
  prompt_ids: [1, 2],
  response_ids: [7, 8, 9],
  response_text: 'a🙂\nb.',
  behavior_logprobs: [-0.5, -0.25, -1],
  logprob_kind: 'raw_full_vocab',
  sampler: { engine: 'e', model: 'm' },
  verdict: 'wrong',
};
const step = (k: number, chars: [number, number], rollout_id = 'r'): Step => ({
  rollout_id,
  segmenter_id: 's',
  k,
  char_start: chars[0],
  char_end: chars[1],
  token_start: null,
  token_end: null,
});
// "a🙂\n" takes four UTF-16 units. The steps stand in no order.
const steps = [step(1, [4, 5]), step(0, [0, 4]), step(2, [5, 6])];
const train: TrainRow = {
  rollout_id: 'r',
  group_id: 'g',
  advantage: -0.5,
  token_weight: [1, 0, -0.5],
  drop_reason: null,
};

const source = (changes: Partial<ExportSource> = {}): ExportSource => ({
  prompts: [prompt],
  rollouts: [rollout],
  steps,
  labels: new Map([['r', ['right', 'wrong', 'right']]]),
  trainRows: [train],
  ...changes,
});
const rows = (format: ExportFormat, changes: Partial<ExportSource> = {}) => [
  ...exportRows(format, source(changes)),
];

describe('exportRows', () => {
  it('gives TRL steps with a label each', () => {
    expect(rows('trl-stepwise')).toEqual([
      { prompt: '2+2?', completions: ['a🙂\n', 'b', '.'], labels: [true, false, true] },
    ]);
  });

  it('ends a stepwise row before the first abstention, and leaves out what has no label', () => {
    const labels = (...own: ('right' | 'wrong' | 'abstain')[]) => ({ labels: new Map([['r', own]]) });
    expect(rows('trl-stepwise', labels('right', 'abstain', 'right'))).toEqual([
      { prompt: '2+2?', completions: ['a🙂\n'], labels: [true] },
    ]);
    expect(rows('trl-stepwise', labels('abstain', 'right', 'right'))).toEqual([]);
    expect(rows('trl-stepwise', { labels: new Map() })).toEqual([]);
  });

  it('gives TRL answers with a label each (KTO)', () => {
    expect(rows('trl-kto')).toEqual([{ prompt: '2+2?', completion: 'a🙂\nb.', label: false }]);
    expect(rows('trl-kto', { rollouts: [{ ...rollout, verdict: 'right', response_text: '' }] })).toEqual([
      { prompt: '2+2?', completion: '', label: true },
    ]);
    for (const verdict of ['unknown', null] as const) {
      expect(rows('trl-kto', { rollouts: [{ ...rollout, verdict }] })).toEqual([]);
    }
  });

  it('gives verl the product of advantage and weight', () => {
    const [row] = rows('verl') as Record<string, unknown>[];
    expect(row).toEqual({
      rollout_id: 'r',
      uid: 'g',
      data_source: 'sums',
      prompt: prompt.messages,
      reward_model: prompt.reward_model,
      prompts: [1, 2],
      responses: [7, 8, 9],
      response_mask: [1, 1, 1],
      advantages: [-0.5, 0, 0.25],
      rollout_log_probs: [-0.5, -0.25, -1],
      logprob_kind: 'raw_full_vocab',
    });
    const bare = { ...rollout, behavior_logprobs: null, prompt_ids: undefined };
    expect(rows('verl', { rollouts: [bare] })[0]).toMatchObject({
      rollout_log_probs: null,
      prompts: null,
      logprob_kind: null,
    });
  });

  it('gives prime-rl advantage and weight apart', () => {
    expect(rows('prime-rl')).toEqual([
      {
        rollout_id: 'r',
        group_id: 'g',
        token_ids: [1, 2, 7, 8, 9],
        mask: [false, false, true, true, true],
        logprobs: [0, 0, -0.5, -0.25, -1],
        logprob_kind: 'raw_full_vocab',
        advantages: [0, 0, -0.5, -0.5, -0.5],
        rl_weights: [0, 0, 1, 0, -0.5],
      },
    ]);
  });

  it('tells both trainers the same: the product of prime-rl is the advantage of verl (seed 5)', () => {
    const random = seededRandom(5);
    for (let round = 0; round < 50; round++) {
      const length = random.int(0, 6);
      const list = (make: () => number) => Array.from({ length }, make);
      const changes = {
        rollouts: [
          {
            ...rollout,
            response_ids: list(() => random.int(0, 9)),
            behavior_logprobs: list(() => -random.next()),
          },
        ],
        trainRows: [
          { ...train, advantage: random.next() - 0.5, token_weight: list(() => random.pick([1, 0, -0.5])) },
        ],
      };
      const [verl] = rows('verl', changes) as { advantages: number[]; responses: number[] }[];
      const [prime] = rows('prime-rl', changes) as {
        advantages: number[];
        rl_weights: number[];
        token_ids: number[];
      }[];
      const product = prime!.advantages.map((advantage, i) => advantage * prime!.rl_weights[i]! + 0);
      expect(product.slice(0, 2)).toEqual([0, 0]);
      expect(product.slice(2)).toEqual(verl!.advantages);
      expect(prime!.token_ids.slice(2)).toEqual(verl!.responses);
    }
  });

  it.each(EXPORT_FORMATS)('leaves dropped rows out of %s', (format) => {
    expect(rows(format)).toHaveLength(1);
    expect(rows(format, { trainRows: [{ ...train, drop_reason: 'flat_group' }] })).toEqual([]);
    expect(rows(format, { trainRows: [] })).toEqual([]);
  });

  it('keeps a chat as a chat where the format can, and asks for text where it cannot', () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, ...prompt.messages];
    const prompts = [{ ...prompt, messages }];
    expect(rows('trl-kto', { prompts })).toEqual([
      { prompt: messages, completion: [{ role: 'assistant', content: 'a🙂\nb.' }], label: false },
    ]);
    expect(() => rows('trl-stepwise', { prompts })).toThrow(
      /renderPrompt: rollout r has a prompt of 2 messages/,
    );
    const renderPrompt = () => 'rendered';
    expect(rows('trl-stepwise', { prompts, renderPrompt })).toMatchObject([{ prompt: 'rendered' }]);
    expect(rows('trl-kto', { prompts, renderPrompt })).toMatchObject([
      { prompt: 'rendered', completion: 'a🙂\nb.' },
    ]);
  });

  it.each<[ExportFormat, Partial<ExportSource>, string]>([
    ['trl-stepwise', { labels: new Map([['r', ['right']]]) }, 'rollout r: labels: has 1 labels for 3 steps'],
    ['trl-stepwise', { steps: steps.slice(1) }, 'rollout r: steps: has step 2 at [5, 6), where 4 is the end'],
    [
      'trl-stepwise',
      { steps: steps.slice(0, 2) },
      'rollout r: steps: has steps up to 5, its response is 6 long',
    ],
    ['verl', { rollouts: [] }, 'rollout r: rollout_id: is a training row without its rollout'],
    ['verl', { prompts: [] }, 'rollout r: prompt_id: p is not among the prompts'],
    ['verl', { rollouts: [{ ...rollout, response_ids: null }] }, 'rollout r: response_ids: is missing'],
    [
      'verl',
      { trainRows: [{ ...train, token_weight: [1] }] },
      'rollout r: token_weight: has 1 entries, response_ids has 3',
    ],
    [
      'prime-rl',
      { rollouts: [{ ...rollout, behavior_logprobs: [-1] }] },
      'rollout r: behavior_logprobs: has 1 entries',
    ],
    ['prime-rl', { rollouts: [{ ...rollout, prompt_ids: null }] }, 'rollout r: prompt_ids: is missing'],
  ])('says where tables do not fit together (%#)', (format, changes, expected) => {
    let error: unknown;
    try {
      rows(format, changes);
    } catch (reason) {
      error = reason;
    }
    expect(error).toMatchObject({ code: 'ERR_LAPIDARY_DATA', message: expect.stringContaining(expected) });
  });

  it('refuses a format it does not know, before anything is iterated', () => {
    for (const format of ['csv', 'toString']) {
      expect(() => exportRows(format as ExportFormat, source())).toThrow(
        `exportRows: format: is "${format}"; expected one of trl-stepwise, trl-kto, verl, prime-rl`,
      );
    }
  });
});

describe('what is exported can be imported', () => {
  it('from KTO rows, as completions of TRL', async () => {
    const path = file('kto.jsonl');
    expect(await writeJsonlAtomic(path, exportRows('trl-kto', source()))).toBe(1);
    const back = await importRollouts(path, { answers: new Map([['2+2?', '4']]) });
    expect(back.prompts).toHaveLength(1);
    expect(back.prompts[0]).toMatchObject({ messages: prompt.messages, reward_model: prompt.reward_model });
    expect(back.rollouts).toHaveLength(1);
    expect(back.rollouts[0]).toMatchObject({ response_text: rollout.response_text, label: false });
  });

  it('from prime-rl rows, in the names of NeMo-RL', async () => {
    const [row] = rows('prime-rl') as {
      token_ids: number[];
      mask: boolean[];
      logprobs: number[];
      logprob_kind: string;
    }[];
    const nemo = {
      token_ids: row!.token_ids,
      token_loss_mask: row!.mask,
      generation_logprobs: row!.logprobs,
      logprob_kind: row!.logprob_kind,
      content: ['2+2?', rollout.response_text],
      answer: '4',
    };
    const { rollouts } = await importRollouts(writeLines(file('nemo.jsonl'), [nemo]));
    const { prompt_ids, response_ids, behavior_logprobs, logprob_kind, response_text } = rollout;
    expect(rollouts[0]).toMatchObject({
      prompt_ids,
      response_ids,
      behavior_logprobs,
      logprob_kind,
      response_text,
    });
  });
});
