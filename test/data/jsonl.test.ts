import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readAllJsonl, readJsonl, writeJsonlAtomic } from '../../lib/data/jsonl.ts';
import { writeFileAtomic } from '../../lib/data/write-atomic.ts';
import { seededRandom } from '../random.ts';
import { temporaryFolder } from './temporary-folder.ts';

const file = temporaryFolder();
const Row = z.looseObject({ id: z.string(), logprobs: z.array(z.number()).nullish() });

function written(name: string, content: string | Uint8Array): string {
  writeFileSync(file(name), content);
  return file(name);
}

async function failure(content: string | Uint8Array): Promise<string> {
  const target = written('bad.jsonl', content);
  const error = await readAllJsonl(target, Row).catch((reason) => reason);
  expect(error).toMatchObject({ name: 'LapidaryError', code: 'ERR_LAPIDARY_DATA' });
  expect(error.message.startsWith(`${target}: line `)).toBe(true);
  return error.message.slice(target.length + 2);
}

describe('readJsonl', () => {
  it('reads any line ending, a byte order mark, blank lines and a last line without end', async () => {
    const target = written(
      'ends.jsonl',
      '\ufeff{"id":"a"}\r\n\n  \t\r\n{"id":"b","kept":[1]}\n{"id":"c\u2028d"}',
    );
    const rows: unknown[] = [];
    for await (const row of readJsonl(target, Row)) rows.push(row);
    expect(rows).toEqual([
      { row: { id: 'a' }, line: 1 },
      { row: { id: 'b', kept: [1] }, line: 4 },
      { row: { id: 'c\u2028d' }, line: 5 },
    ]);
  });

  it('reads lines of many megabytes and characters that straddle read boundaries', async () => {
    const long = '𝛑é'.repeat(1_500_000);
    const target = written('long.jsonl', `{"id":"short"}\n${JSON.stringify({ id: long })}\n{"id":"last"}`);
    const rows = await readAllJsonl(target, Row);
    expect(rows.map((row) => row.id.length)).toEqual([5, long.length, 4]);
    expect(rows[1]!.id === long).toBe(true);
  });

  it('can be left early', async () => {
    const target = written('many.jsonl', '{"id":"x"}\n'.repeat(100_000));
    for await (const { row } of readJsonl(target, Row)) {
      expect(row.id).toBe('x');
      break;
    }
  });

  it.each([
    ['{"id":"a"}\n{"id":', 'line 2: row: is not valid JSON'],
    ['{"id":"a"}\n\n{"name":"b"}', 'line 3: id: is missing (expected string)'],
    ['{"id":7}', 'line 1: id: is of the wrong type (expected string), got 7'],
    ['[1]', 'line 1: row: is of the wrong type (expected object), got an array'],
    [
      '{"id":"a","logprobs":[-1,null]}',
      'line 1: logprobs[1]: is of the wrong type (expected number), got null',
    ],
    ['{"id":"a","logprobs":[-1,NaN]}', 'line 1: logprobs[1]: is NaN'],
    ['{"id":"NaN \\" Infinity","logprobs":[-Infinity]}', 'line 1: logprobs[0]: is -Infinity'],
    [
      '{"id":"a","logprobs":[-1e999]}',
      'line 1: logprobs[0]: is of the wrong type (expected number), got -Infinity',
    ],
    ['', 'line 1: row: file has no rows'],
    ['\n \r\n', 'line 1: row: file has no rows'],
  ])('names file, line and field: %j', async (content, expected) => {
    expect(await failure(content)).toContain(expected);
  });

  it('refuses bytes that are no UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"id":"a"}\n{"id":"'),
      Buffer.from([0xff, 0xfe]),
      Buffer.from('"}'),
    ]);
    expect(await failure(bytes)).toContain('line 2: row: line is not valid UTF-8');
  });

  it('tells a file that cannot be read from one that is broken', async () => {
    await expect(readAllJsonl(file('absent.jsonl'), Row)).rejects.toMatchObject({ code: 'ERR_LAPIDARY_IO' });
    await expect(readAllJsonl(path.dirname(file('x')), Row)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_IO',
    });
  });
});

describe('writeJsonlAtomic', () => {
  it('round-trips random rows', async () => {
    const random = seededRandom(7);
    const rows = Array.from({ length: 3000 }, (_, i) => ({
      id: `${i}\n\r\u2028"\\é𝛑`.repeat(random.int(0, 9)),
      logprobs:
        random.int(0, 3) === 0 ? null : Array.from({ length: random.int(0, 20) }, () => -random.next()),
    }));
    expect(await writeJsonlAtomic(file('round.jsonl'), rows)).toBe(3000);
    expect(await readAllJsonl(file('round.jsonl'), Row)).toEqual(rows);
  });

  it('leaves the old file and no temporary one when the rows fail', async () => {
    await writeFileAtomic(file('kept.jsonl'), 'old');
    async function* rows() {
      yield { id: 'a' };
      throw new Error('source broke');
    }
    await expect(writeJsonlAtomic(file('kept.jsonl'), rows())).rejects.toThrow('source broke');
    expect(readFileSync(file('kept.jsonl'), 'utf8')).toBe('old');
    expect(readdirSync(path.dirname(file('x'))).filter((name) => name.includes('.tmp-'))).toEqual([]);
  });

  it('refuses numbers that would be read back as null', async () => {
    const rows = [
      { id: 'a', reward: null },
      { id: 'b', logprobs: [-1, Number.NaN] },
    ];
    await expect(writeJsonlAtomic(file('nan.jsonl'), rows)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
      message: `${file('nan.jsonl')}: line 2: logprobs[1]: is NaN, which JSON cannot express`,
    });
    expect(existsSync(file('nan.jsonl'))).toBe(false);
  });

  it('reports a folder that is not there', async () => {
    await expect(writeFileAtomic(file('no/such/file'), 'x')).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_IO',
    });
  });
});
