import { readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readParquet, writeParquetAtomic } from '../../lib/data/parquet.ts';
import * as records from '../../lib/data/records.ts';
import { evalRows, prompts, rollouts, steps, trainRows, uniforms, verdicts } from './parquet-rows.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();

async function readAll<T>(path: string, schema: z.ZodType<T>, columns?: string[]): Promise<T[]> {
  const rows: T[] = [];
  let expected = 1;
  for await (const { row, line } of readParquet(path, schema, columns === undefined ? {} : { columns })) {
    expect(line).toBe(expected++);
    rows.push(row);
  }
  return rows;
}

/** The type of each leaf column, by path. */
async function columnTypes(path: string): Promise<Record<string, string>> {
  const { buffer } = new Uint8Array(readFileSync(path));
  const metadata = await parquetMetadataAsync(buffer);
  const chunks = metadata.row_groups[0]!.columns.map(({ meta_data }) => meta_data!);
  return Object.fromEntries(chunks.map((chunk) => [chunk.path_in_schema.join('.'), chunk.type]));
}

const tables: [string, z.ZodType<object>, object[]][] = [
  ['prompts', records.Prompt, prompts],
  ['rollouts', records.Rollout, rollouts],
  ['steps', records.Step, steps],
  ['step verdicts', records.StepVerdict, verdicts],
  ['train rows', records.TrainRow, trainRows],
  ['eval rows', records.EvalRow, evalRows],
];

describe('a table', () => {
  it.each(tables)('of %s comes back as it was', async (name, schema, rows) => {
    const path = file(`${name}.parquet`);
    for (const rowsPerGroup of [1, 2, 4096]) {
      expect(await writeParquetAtomic(path, schema, rows, { rowsPerGroup })).toBe(rows.length);
      expect(await readAll(path, schema)).toStrictEqual(rows);
    }
  });

  it('is read by another reader, typed', async () => {
    const path = file('typed.parquet');
    const rows = [
      { ...rollouts[0]!, behavior_logprobs: [-0.5, -0.1, 0], response_text: '🤮', prompt_ids: [7] },
    ];
    await writeParquetAtomic(path, records.Rollout, rows);
    expect(await columnTypes(path)).toMatchObject({
      response_text: 'BYTE_ARRAY',
      iteration: 'INT32',
      'response_ids.list.element': 'INT32',
      'behavior_logprobs.list.element': 'DOUBLE',
      'ref_logprobs.list.element': 'FLOAT',
      reward: 'DOUBLE',
    });
    const { buffer } = new Uint8Array(readFileSync(path));
    const [row] = await parquetReadObjects({ file: buffer });
    expect(row).toMatchObject({ response_text: '🤮', prompt_ids: [7], verdict: 'wrong' });
    expect(JSON.parse(row!.sampler)).toEqual(rows[0]!.sampler);
  });

  it('widens a column for its last row', async () => {
    const path = file('widened.parquet');
    const row = { rollout_id: 'r', group_id: 'g', advantage: 1, token_weight: [0.5], drop_reason: null };
    const rows = [...Array(9).fill(row), { ...row, token_weight: [0.1], late: { column: 1 } }];
    await writeParquetAtomic(path, records.TrainRow, rows, { rowsPerGroup: 2 });
    expect((await columnTypes(path))['token_weight.list.element']).toBe('DOUBLE');
    expect(await readAll(path, records.TrainRow)).toStrictEqual(rows);
  });

  it('has one missing value where a typed column holds both null and absent keys', async () => {
    const path = file('both.parquet');
    const rows = [
      { ...verdicts[0]!, score: null, own: null },
      { ...verdicts[1]!, score: undefined },
    ];
    await writeParquetAtomic(path, records.StepVerdict, rows);
    const read = await readAll(path, records.StepVerdict);
    expect(read.map(({ score }) => score)).toEqual([null, null]);
    expect(read.map((row) => 'own' in row)).toEqual([true, false]);
  });

  it('is read by column', async () => {
    const path = file('columns.parquet');
    await writeParquetAtomic(path, records.Rollout, rollouts, { rowsPerGroup: 1 });
    const schema = records.Rollout.pick({ rollout_id: true, response_ids: true });
    const picked = rollouts.map(({ response_ids, rollout_id }) => ({ response_ids, rollout_id }));
    expect(await readAll(path, schema, ['response_ids', 'rollout_id'])).toEqual(picked);
    const wrong = readAll(path, schema, ['nope']);
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_LAPIDARY_DATA', argument: 'nope' });
  });

  it('leaves no temporary file', () => {
    expect(readdirSync(dirname(file('x'))).filter((name) => name.includes('.tmp'))).toEqual([]);
  });
});

it('gives back names of columns that UTF-8 cannot hold or readers cut', async () => {
  const names = ['half \ud83e', '\ufeffmark', 'column 0', 'column 1', "column 1'", '\udd2e'];
  const rows = [Object.fromEntries(names.map((name, i) => [name, i]))];
  const path = file('names.parquet');
  await writeParquetAtomic(path, z.looseObject({}), rows);
  expect(await readAll(path, z.looseObject({}))).toStrictEqual(rows);
  expect(await readAll(path, z.looseObject({}), ['\udd2e'])).toStrictEqual([{ '\udd2e': 5 }]);
});

const Any = z.looseObject({
  text: z.string().nullish(),
  flag: z.boolean().nullish(),
  int: z.number().int().nullish(),
  number: z.number().nullish(),
  ids: z.array(z.number().int()).nullish(),
  own_logprobs: z.array(z.number()).nullish(),
  numbers: z.array(z.number()).nullish(),
  either: z.union([z.string(), z.number()]).nullish(),
});

function randomTable(next: () => number): { rows: object[]; rowsPerGroup: number } {
  const below = (n: number) => Math.floor(next() * n);
  const list = <V>(make: () => V): V[] => Array.from({ length: next() < 0.3 ? 0 : below(40) }, make);
  const text = () => list(() => String.fromCodePoint(below(next() < 0.5 ? 0x7f : 0x10ffff))).join('');
  const wide = next() < 0.3;
  const int = () => (wide ? below(2 ** 53) - 2 ** 52 : below(200000) - 50000);
  const exact = next() < 0.5;
  const number = () => (exact ? Math.fround(-next()) : -next() * 10 ** (below(600) - 300));
  const makers: Record<string, () => unknown> = {
    text,
    flag: () => next() < 0.5,
    int,
    number,
    ids: () => list(int),
    own_logprobs: () => list(number),
    numbers: () => list(number),
    either: () => (next() < 0.5 ? text() : number()),
    [text()]: () => list(text),
    'a.b': () => ({ [text()]: next() < 0.5 ? null : int() }),
    element: text,
  };
  // Each typed column misses values in one way, as null or as absent; mixed ones are a test of their own.
  const missing = Object.fromEntries(Object.keys(makers).map((name) => [name, next() < 0.5]));
  const rate = next();
  const rows = Array.from({ length: 1 + below(60) }, () => {
    const fields: [string, unknown][] = [];
    for (const [name, make] of Object.entries(makers)) {
      if (next() > rate) fields.push([name, make()]);
      else if (missing[name]) fields.push([name, null]);
    }
    return Object.fromEntries(fields);
  });
  return { rows, rowsPerGroup: 1 + below(70) };
}

describe('a random table', () => {
  const first = Number(process.env.LAPIDARY_SEED ?? Math.floor(Math.random() * 1e6));
  it.each(Array.from({ length: 25 }, (_, index) => first + index))(
    'comes back as it was (LAPIDARY_SEED=%i)',
    async (seed) => {
      const { rows, rowsPerGroup } = randomTable(uniforms(String(seed)));
      const path = file(`random-${seed}.parquet`);
      await writeParquetAtomic(path, Any, rows, { rowsPerGroup });
      expect(await readAll(path, Any)).toStrictEqual(rows);
    },
  );
});
