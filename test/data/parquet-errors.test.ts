import { existsSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { parquetMetadataAsync } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadRollouts } from '../../lib/data/load-rollouts.ts';
import { readParquet, writeParquetAtomic } from '../../lib/data/parquet.ts';
import { EvalRow, Prompt, Rollout, TrainRow } from '../../lib/data/records.ts';
import { readRows, writeRowsAtomic } from '../../lib/data/tables.ts';
import { LapidaryError } from '../../lib/errors.ts';
import { evalRows, prompts, rollouts, trainRows, uniforms } from './parquet-rows.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();

async function drain<T>(rows: AsyncIterable<{ row: T }>): Promise<T[]> {
  const all: T[] = [];
  for await (const { row } of rows) all.push(row);
  return all;
}

/** The error of a call that must fail: one line that names the file. */
async function failure(path: string, call: () => Promise<unknown>): Promise<LapidaryError> {
  const error = await call().then(
    () => expect.fail('no error'),
    (cause: unknown) => cause,
  );
  if (!(error instanceof LapidaryError)) throw error;
  expect(error.message).not.toContain('\n');
  expect(error.message).toContain(path);
  return error;
}

const reading = <T>(path: string, schema: z.ZodType<T>) =>
  failure(path, () => drain(readParquet(path, schema)));

function fileOf(name: string, bytes: Uint8Array | string): string {
  writeFileSync(file(name), bytes);
  return file(name);
}

/** A file of another program: no metadata of ours. */
const foreign = (name: string, columnData: ColumnSource[]) =>
  fileOf(name, new Uint8Array(parquetWriteBuffer({ columnData })));

async function whole(): Promise<Buffer> {
  const path = file('whole.parquet');
  await writeParquetAtomic(path, Rollout, rollouts, { rowsPerGroup: 1 });
  return readFileSync(path);
}

describe('a damaged file', () => {
  it.each([
    ['', 'file is empty'],
    ['PAR', 'is not a Parquet file'],
    ['{"rollout_id":"r"}\n', 'is not a Parquet file'],
    ['PAR1', 'file is truncated'],
    ['PAR1PAR1', 'file is truncated'],
    ['PAR1\0\0\0\0\0PAR1', 'cannot be read as Parquet'],
    ['PAR1\u007f\u007f\u007f\u007fPAR1', 'cannot be read as Parquet'],
  ])('of the bytes %j is told so', async (bytes, message) => {
    const error = await reading(fileOf('damaged.parquet', bytes), Rollout);
    expect(error.code).toBe('ERR_LAPIDARY_DATA');
    expect(error.message).toContain(message);
  });

  it('that was cut anywhere is truncated', async () => {
    const bytes = await whole();
    for (let size = 4; size < bytes.length; size += 61) {
      const error = await reading(fileOf('cut.parquet', bytes.subarray(0, size)), Rollout);
      expect(error).toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
      expect(error.message).toContain('file is truncated');
    }
  });

  it('with any byte of a page changed fails its checksum, and names the column', async () => {
    const bytes = await whole();
    const metadata = await parquetMetadataAsync(new Uint8Array(bytes).buffer);
    for (const { columns } of metadata.row_groups) {
      for (const { meta_data: chunk } of columns) {
        const start = Number(chunk!.dictionary_page_offset ?? chunk!.data_page_offset);
        const last = start + Number(chunk!.total_compressed_size) - 1;
        for (const at of [start, last]) {
          const changed = Buffer.from(bytes);
          changed[at]! ^= 1;
          const error = await reading(fileOf('page.parquet', changed), Rollout);
          expect(error.code).toBe('ERR_LAPIDARY_DATA');
          expect(error.message).toContain(`column ${chunk!.path_in_schema[0]} of row group`);
          expect(error.message).toContain('its checksum differs');
        }
      }
    }
  });

  const seed = process.env.LAPIDARY_SEED ?? String(Math.floor(Math.random() * 1e6));
  it(`with a random bit of the footer changed reads as before or is told so (LAPIDARY_SEED=${seed})`, async () => {
    const bytes = await whole();
    const next = uniforms(`footer:${seed}`);
    const footer = bytes.readUInt32LE(bytes.length - 8);
    let refused = 0;
    for (let round = 0; round < 150; round++) {
      const changed = Buffer.from(bytes);
      changed[bytes.length - 8 - Math.floor(next() * footer)]! ^= 1 << Math.floor(next() * 8);
      const path = fileOf('footer.parquet', changed);
      try {
        expect(await drain(readParquet(path, Rollout))).toStrictEqual(rollouts);
      } catch (error) {
        if (!LapidaryError.isInstance(error)) throw error;
        expect(error).toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
        expect(error.message).toContain(path);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('without rows is an error, as in JSON Lines', async () => {
    await writeParquetAtomic(file('none.parquet'), Rollout, []);
    const error = await reading(file('none.parquet'), Rollout);
    expect(error.message).toBe(`${file('none.parquet')}: line 1: row: file has no rows`);
  });

  it('that is missing, or a folder, is an error of reading', async () => {
    expect(await reading(file('missing.parquet'), Rollout)).toMatchObject({ code: 'ERR_LAPIDARY_IO' });
    expect(await reading(file('.'), Rollout)).toMatchObject({ code: 'ERR_LAPIDARY_IO' });
  });
});

describe('a file of another program', () => {
  const columns = (n: ColumnSource['data']): ColumnSource[] => [
    { name: 'run_id', data: ['r', 'r'] },
    { name: 'prompt_id', data: ['a', 'b'] },
    { name: 'n', data: n },
    { name: 'c', data: [0n, 3n] },
    { name: 'greedy', data: [true, false] },
    { name: 'own', data: [null, 1.5] },
  ];

  it('is read by the schema', async () => {
    const path = foreign('foreign.parquet', columns([4, 4]));
    expect(await drain(readParquet(path, EvalRow))).toEqual([
      { run_id: 'r', prompt_id: 'a', n: 4, c: 0, greedy: true, own: null },
      { run_id: 'r', prompt_id: 'b', n: 4, c: 3, greedy: false, own: 1.5 },
    ]);
  });

  it.each<[string, ColumnSource['data']]>([
    ['line 1: n: is of the wrong type (expected number), got "4"', ['4', '4']],
    ['line 2: n: Too small', [4, -1]],
    ['line 2: n: is of the wrong type (expected number), got null', [4, null]],
    ['line 2: n: is 9007199254740992, beyond the integers that a number holds', [4n, 2n ** 53n]],
  ])('with a wrong column names row and field: %s', async (message, n) => {
    const path = foreign('wrong.parquet', columns(n));
    const error = await reading(path, EvalRow);
    expect(error).toMatchObject({ code: 'ERR_LAPIDARY_DATA', argument: 'n' });
    expect(error.message).toContain(`${path}: ${message}`);
  });

  it('takes JSON text for a nested column, and says where text is none', async () => {
    const row = (sampler: string) =>
      foreign('nested.parquet', [
        ...Object.entries({ rollout_id: 'r', prompt_id: 'p', group_id: 'g', response_text: 'x' }).map(
          ([name, value]) => ({ name, data: [value] }),
        ),
        { name: 'iteration', data: [0] },
        { name: 'group_index', data: [0] },
        { name: 'sampler', data: [sampler] },
      ]);
    const [read] = await drain(readParquet(row('{"engine":"e","model":"m"}'), Rollout));
    expect(read!.sampler).toEqual({ engine: 'e', model: 'm' });
    const error = await reading(row('vllm'), Rollout);
    expect(error.message).toContain('line 1: sampler: is of the wrong type (expected object), got "vllm"');
  });
});

describe('writing', () => {
  const path = file('kept.parquet');
  const temporary = [`${path}.tmp-${process.pid}`, `${path}.tmp-${process.pid}-rows`] as const;
  afterEach(() => {
    for (const name of temporary) rmSync(name, { force: true });
  });

  /** The old file and nothing else. */
  async function keepsOld(write: () => Promise<unknown>): Promise<LapidaryError> {
    await writeParquetAtomic(path, EvalRow, evalRows);
    const error = await failure(path, write);
    expect(await drain(readParquet(path, EvalRow))).toEqual(evalRows);
    const beside = readdirSync(dirname(path)).filter((name) => name.startsWith(`${basename(path)}.`));
    expect(beside).toEqual([]);
    return error;
  }

  it.skipIf(!existsSync('/dev/full')).each(temporary)(
    'to a full disk keeps the old file: %s',
    async (name) => {
      const error = await keepsOld(() => {
        symlinkSync('/dev/full', name);
        return writeParquetAtomic(path, EvalRow, [{ ...evalRows[0]!, n: 9 }]);
      });
      expect(error.code).toBe('ERR_LAPIDARY_IO');
      expect(error.message).toContain('ENOSPC');
    },
  );

  it('to a folder that is not there is ERR_LAPIDARY_IO', async () => {
    const lost = file('no/such/folder.parquet');
    const error = await failure(lost, () => writeParquetAtomic(lost, EvalRow, evalRows));
    expect(error.code).toBe('ERR_LAPIDARY_IO');
  });

  it('keeps the old file where the rows fail', async () => {
    async function* rows(): AsyncGenerator<EvalRow> {
      yield evalRows[0]!;
      throw new LapidaryError('ERR_LAPIDARY_DATA', `source of ${path}`);
    }
    expect((await keepsOld(() => writeParquetAtomic(path, EvalRow, rows()))).message).toBe(
      `source of ${path}`,
    );
  });

  it.each<[string, object]>([
    ['line 2: n: is of the wrong type (expected number), got "four"', { n: 'four' }],
    ['line 2: n: is missing', { n: undefined }],
    ['line 2: own.rate: is NaN, expected a finite number', { own: { rate: Number.NaN } }],
    ['line 2: own: cannot be written as JSON', { own: 1n }],
  ])('a row that cannot be stored is named, and the old file kept: %s', async (message, change) => {
    const rows = [evalRows[0]!, { ...evalRows[1]!, ...change } as unknown as EvalRow];
    const error = await keepsOld(() => writeParquetAtomic(path, EvalRow, rows));
    expect(error.code).toBe('ERR_LAPIDARY_DATA');
    expect(error.message).toContain(message);
  });

  it.each([0, -1, 1.5, Number.NaN])('refuses %d rows per group', async (rowsPerGroup) => {
    const call = writeParquetAtomic(path, EvalRow, evalRows, { rowsPerGroup });
    await expect(call).rejects.toMatchObject({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'rowsPerGroup' });
  });

  it('refuses a schema that names no columns', async () => {
    const call = writeParquetAtomic(path, z.array(z.number()), []);
    await expect(call).rejects.toMatchObject({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'schema' });
  });
});

describe('the form of a table', () => {
  it.each(['.jsonl', '.parquet', '.PARQUET'])('is told by the extension %s', async (extension) => {
    const path = file(`rows${extension}`);
    const rows = trainRows.map((row) => ({ ...row, advantage: 1, token_weight: [0.1] }));
    expect(await writeRowsAtomic(path, TrainRow, rows)).toBe(2);
    const magic = readFileSync(path).subarray(0, 4).toString();
    expect(magic === 'PAR1').toBe(extension !== '.jsonl');
    expect(await drain(readRows(path, TrainRow))).toEqual(rows);
  });

  it.each(['rows.csv', 'rows'])('is unknown for %s', async (name) => {
    const path = file(name);
    for (const call of [() => writeRowsAtomic(path, TrainRow, []), () => drain(readRows(path, TrainRow))]) {
      expect(await failure(path, call)).toMatchObject({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'path' });
    }
    expect(existsSync(path)).toBe(false);
  });

  it('does not change what loadRollouts gives', async () => {
    const log = [-0.5, -0.1, -1];
    const rows = [{ ...rollouts[0]!, behavior_logprobs: log, ref_logprobs: log, reward: 0 }, rollouts[1]!];
    const sets = [];
    for (const form of ['jsonl', 'parquet']) {
      const paths = [file(`rollouts.${form}`), file(`prompts.${form}`)] as const;
      await writeRowsAtomic(paths[0], Rollout, rows);
      await writeRowsAtomic(paths[1], Prompt, prompts);
      sets.push(await loadRollouts(paths[0], { prompts: paths[1] }));
    }
    expect(sets[0]!.rollouts).toHaveLength(2);
    expect(sets[1]).toStrictEqual(sets[0]);
  });

  it('of a flat file may be Parquet too', async () => {
    const flat = foreign('flat.parquet', [
      { name: 'prompt', data: ['1+1?', '1+1?'] },
      { name: 'response', data: ['2', '3'] },
      { name: 'gold_answer', data: [2n, 2n] },
    ]);
    const { prompts: own, rollouts: read } = await loadRollouts(flat);
    expect(own.map((prompt) => prompt.reward_model.ground_truth)).toEqual(['2']);
    expect(read.map((row) => row.response_text)).toEqual(['2', '3']);
  });
});
