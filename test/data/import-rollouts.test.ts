import { describe, expect, it } from 'vitest';
import { importFlat } from '../../lib/data/import-flat.ts';
import { importGrouped } from '../../lib/data/import-grouped.ts';
import { importNemoRl } from '../../lib/data/import-nemo-rl.ts';
import { importOpenai } from '../../lib/data/import-openai.ts';
import { importRollouts, type RolloutFormat } from '../../lib/data/import-rollouts.ts';
import { importTrl } from '../../lib/data/import-trl.ts';
import { importVerl } from '../../lib/data/import-verl.ts';
import type { LapidaryError } from '../../lib/errors.ts';
import { seededRandom } from '../random.ts';
import { writeLines } from './jsonl-lines.ts';
import { damaged } from './seeded-damage.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();
const REAL = new URL('../../examples/rollouts-real/rollouts.jsonl', import.meta.url).pathname;

const ROWS: Record<RolloutFormat, object> = {
  flat: { prompt: 'q', response: 'a', gold_answer: 1 },
  grouped: {
    prompt: 'q',
    responses: ['a', { text: 'b', token_ids: [2], logprobs: [-1] }],
    answer: 1,
    temperature: 1,
  },
  openai: {
    request: {
      messages: [{ role: 'user', content: 'q' }],
      temperature: 1,
      logit_bias: {},
      extra_body: { top_k: -1 },
    },
    response: {
      prompt_token_ids: [1],
      choices: [
        {
          index: 0,
          message: { content: 'a' },
          token_ids: [2],
          logprobs: { content: [{ token: 'a', logprob: -1 }] },
          finish_reason: 'stop',
        },
        {
          index: 1,
          message: { content: [{ type: 'text', text: 'b' }] },
          token_ids: [3],
          finish_reason: 'length',
        },
      ],
    },
    answer: 1,
  },
  trl: { step: 1, prompt: 'q', completion: 'a', accuracy: 1, advantage: 0, answer: 1 },
  verl: { input: 'q', output: 'a', gts: '1', score: 1, step: 1 },
  'nemo-rl': {
    content: ['q', 'a'],
    token_ids: [1, 2, 0],
    token_loss_mask: [0, 1, 0],
    generation_logprobs: [0, -1, 0],
    input_lengths: 2,
    temperature: 1,
    answer: 1,
  },
};
const IMPORTERS = {
  flat: importFlat,
  grouped: importGrouped,
  openai: importOpenai,
  trl: importTrl,
  verl: importVerl,
  'nemo-rl': importNemoRl,
} as const;
const FORMATS = Object.keys(ROWS) as RolloutFormat[];

describe('importRollouts', () => {
  it.each(FORMATS)('tells %s by its fields', async (format) => {
    const path = writeLines(file(`${format}.jsonl`), [ROWS[format]]);
    const found = await importRollouts(path);
    expect(found).toEqual(await IMPORTERS[format](path));
    expect(found).toEqual(await importRollouts(path, { format }));
    expect(found.rollouts[0]!.response_text).toBe('a');
    expect(found.prompts[0]!.reward_model.ground_truth).toBe('1');
  });

  it('reads the real flat file as importFlat does', async () => {
    expect(await importRollouts(REAL)).toEqual(await importFlat(REAL));
  });

  it('names the fields of an unknown form, and the forms it knows', async () => {
    const path = writeLines(file('unknown.jsonl'), [{ question: 'q', reply: 'a' }]);
    const error: LapidaryError = await importRollouts(path).catch((reason) => reason);
    expect(error.code).toBe('ERR_LAPIDARY_DATA');
    expect(error.message).toContain(
      'unknown.jsonl: line 1: row: no known format has these fields: question, reply.',
    );
    for (const format of FORMATS) expect(error.message).toContain(`${format} (`);
  });

  it('does not choose between two forms', async () => {
    const path = writeLines(file('two.jsonl'), [{ ...ROWS.trl, ...ROWS.verl }]);
    await expect(importRollouts(path)).rejects.toThrow('trl and verl may all have these fields');
    const { rollouts } = await importRollouts(path, { format: 'verl' });
    expect(rollouts).toHaveLength(1);
  });

  it('refuses a format it does not know', async () => {
    await expect(importRollouts(REAL, { format: 'csv' as 'flat' })).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
      argument: 'format',
      message: expect.stringContaining('is "csv"; expected one of auto, flat, grouped'),
    });
  });

  it('fills in a flat file what the options say', async () => {
    const row = { prompt: 'q', response: 'a', response_ids: [1], behavior_logprobs: [-1], solution: 3 };
    const path = writeLines(file('filled.jsonl'), [row]);
    const options = { answerColumn: 'solution', logprobKind: 'processed_temperature' as const };
    const { prompts, rollouts } = await importRollouts(path, options);
    expect(prompts[0]!.reward_model.ground_truth).toBe('3');
    expect(rollouts[0]).toMatchObject({ behavior_logprobs: [-1], logprob_kind: 'processed_temperature' });
    await expect(importRollouts(path, { answerColumn: 'solution' })).rejects.toThrow(
      /logprob_kind: is unknown/,
    );
    const named = await importRollouts(writeLines(file('gold.jsonl'), [ROWS.flat]), {
      answerColumn: 'gold_answer',
    });
    expect(named.prompts[0]!.reward_model.ground_truth).toBe('1');
  });

  it('is an error where the file is missing, empty, or of malformed rows only', async () => {
    const onBadRow = () => {};
    await expect(importRollouts(file('absent.jsonl'), { onBadRow })).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_IO',
    });
    await expect(importRollouts(writeLines(file('empty.jsonl'), []), { onBadRow })).rejects.toThrow(
      'line 1: row: file has no rows',
    );
    const broken = writeLines(file('broken.jsonl'), ['{', '[]']);
    await expect(importRollouts(broken, { onBadRow })).rejects.toThrow(
      'no line of the file is a JSON object',
    );
    const wrong = writeLines(file('wrong.jsonl'), [{ ...ROWS.verl, gts: null }]);
    await expect(importRollouts(wrong, { onBadRow })).rejects.toThrow('no row could be read as verl');
  });

  it.each(FORMATS)('reports malformed rows of %s and leaves the rest unharmed', async (format) => {
    const good = [1, 2, 3].map((answer) => ({
      ...ROWS[format],
      gold_answer: answer,
      answer,
      gts: String(answer),
    }));
    const bad = [
      '{"torn": ',
      'null',
      '{"x": Infinity}',
      { ...ROWS[format], gold_answer: '', answer: '', gts: '' },
    ];
    const problems: string[] = [];
    const path = writeLines(file('mixed.jsonl'), [
      bad[0]!,
      good[0]!,
      bad[1]!,
      bad[2]!,
      good[1]!,
      bad[3]!,
      good[2]!,
    ]);
    const mixed = await importRollouts(path, { onBadRow: ({ message }) => problems.push(message) });
    expect(problems.map((text) => /mixed\.jsonl: (line \d+): [\w.]+: /.exec(text)?.[1])).toEqual([
      'line 1',
      'line 3',
      'line 4',
      'line 6',
    ]);
    expect(mixed).toEqual(await importRollouts(writeLines(file('whole.jsonl'), good)));
    await expect(importRollouts(path, { format })).rejects.toThrow(
      'mixed.jsonl: line 1: row: is not valid JSON',
    );
  });

  it.each([11, 12, 13])('never crashes on a damaged row, and says where it is (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    for (const format of FORMATS) {
      const rows = Array.from({ length: 40 }, () => JSON.stringify(damaged(ROWS[format], random)));
      const path = writeLines(file('damaged.jsonl'), [ROWS[format], ...rows]);
      const problems: LapidaryError[] = [];
      const { rollouts } = await importRollouts(path, {
        format,
        onBadRow: (problem) => problems.push(problem),
      });
      expect(problems.length, `${format}, seed ${seed}`).toBeGreaterThan(0);
      for (const { message } of problems) expect(message).toMatch(/damaged\.jsonl: line \d+: [^:]+: /);
      for (const rollout of rollouts) {
        const { behavior_logprobs, response_ids } = rollout;
        expect(behavior_logprobs?.length ?? 0).toBe(behavior_logprobs == null ? 0 : response_ids!.length);
      }
    }
  });
});
