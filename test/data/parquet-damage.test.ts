import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parquetMetadata } from 'hyparquet';
import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { readParquet } from '../../lib/data/parquet.ts';
import { DecoderProcess } from '../../lib/data/parquet-process.ts';
import { LapidaryError } from '../../lib/errors.ts';
import { type Random, seededRandom } from '../random.ts';
import { temporaryFolder } from './temporary-folder.ts';

// Files of other programs carry no checksums of ours, so that their damage is met by the decoder.
const file = temporaryFolder();
const AnyRow = z.looseObject({});

async function drain(path: string, timeoutMs: number): Promise<object[]> {
  const rows: object[] = [];
  for await (const { row } of readParquet(path, AnyRow, { timeoutMs })) rows.push(row);
  return rows;
}

const ROWS = 40;
const many = (make: (i: number) => unknown) => Array.from({ length: ROWS }, (_, i) => make(i));
const columnData = [
  { name: 'prompt', data: many((i) => `What is ${i} + ${i * 7}?`) },
  { name: 'response', data: many((i) => `It is ${i * 8}. `.repeat((i % 5) + 1)) },
  { name: 'gold_answer', data: many((i) => (i % 3 === 0 ? null : 4)) },
  { name: 'reward', data: many((i) => i / 7) },
  { name: 'big', data: many((i) => BigInt(i) * 12345n) },
  { name: 'right', data: many((i) => i % 2 === 0) },
  { name: 'extra', data: many((i) => ({ i, ids: [1, 2, i] })) },
] as ColumnSource[];

/** Changes one bit, or up to four bytes, or cuts a piece out of the middle. */
function damage(bytes: Buffer, random: Random): Buffer {
  const at = () => random.int(4, bytes.length - 9);
  const kind = random.int(0, 2);
  if (kind === 2) {
    const [from, to] = [at(), at()].sort((a, b) => a - b) as [number, number];
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to + 1)]);
  }
  const changed = Buffer.from(bytes);
  if (kind === 0) changed[at()]! ^= 1 << random.int(0, 7);
  else for (let count = random.int(1, 4); count > 0; count--) changed[at()] = random.int(0, 255);
  return changed;
}

describe("another program's file, damaged", () => {
  const first = Number(process.env.LAPIDARY_SEED ?? Math.floor(Math.random() * 1e6));
  it.each(['SNAPPY', 'UNCOMPRESSED'] as const)(
    `at random (%s, LAPIDARY_SEED=${first}) is read or told so in one line`,
    { timeout: 300_000 },
    async (codec) => {
      const bytes = Buffer.from(parquetWriteBuffer({ columnData, codec, rowGroupSize: 25 }));
      let refused = 0;
      for (let round = 0; round < 30; round++) {
        const path = file(`${codec}-${first}-${round}.parquet`);
        writeFileSync(path, damage(bytes, seededRandom(first * 100 + round)));
        try {
          expect(await drain(path, 5000)).toHaveLength(ROWS);
        } catch (error) {
          if (!LapidaryError.isInstance(error)) throw error;
          expect(error.code).toBe('ERR_LAPIDARY_DATA');
          expect(error.message).toMatch(/^[^\n]+$/);
          expect(error.message).toContain(path);
          refused++;
        }
      }
      expect(refused).toBeGreaterThan(5);
    },
  );

  /**
   * The page's header becomes one of a dictionary without a compressed size: hyparquet adds what is missing to its
   * place in the chunk, and from then on reads the chunk's first byte for ever.
   */
  function endless(): string {
    const data: ColumnSource = { name: 'n', data: [1, 2, 3, 4], type: 'INT32', nullable: false };
    const bytes = Buffer.from(parquetWriteBuffer({ columnData: [data], codec: 'UNCOMPRESSED' }));
    const { meta_data } = parquetMetadata(bytes).row_groups[0]!.columns[0]!;
    // The header takes nine bytes, the page the rest; numbers are zigzag.
    const rest = Number(meta_data!.total_compressed_size) - 9;
    bytes.set([0x15, 2 << 1, 0x15, rest << 1, 0x5c, 0x15, 0, 0, 0], 4);
    const path = file('endless.parquet');
    writeFileSync(path, bytes);
    return path;
  }

  it('so that it would be read for ever is given up', async () => {
    await expect(drain(endless(), 1500)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
      message: expect.stringMatching(
        /^\S+endless\.parquet: [^\n]*row group 1 is damaged: [^\n]*within 1\.5 s$/,
      ),
    });
  });

  const range = { columns: ['n'], start: 0, end: 4 };

  it('so that its decoder ends is told so', async () => {
    const opened = await open(endless());
    const decoder = new DecoderProcess(opened.fd);
    const first = decoder.rows('row group 1', range, 60_000).next();
    decoder.end();
    await expect(first).rejects.toThrow(
      'row group 1 is damaged, or too large: its decoder ended with SIGKILL',
    );
    const next = decoder.rows('row group 2', range, 60_000).next();
    await expect(next).rejects.toThrow(
      'row group 2 is damaged, or too large: its decoder ended with SIGKILL',
    );
    await opened.close();
  });

  it('does not keep a decoder at work whose parent was killed', { timeout: 60_000 }, async () => {
    const parent = `
      const { fork } = require('node:child_process');
      const fd = require('node:fs').openSync(process.argv[1], 'r');
      const stdio = ['ignore', 'ignore', 'ignore', 'ipc', fd];
      const decoder = fork('lib/data/parquet-decoder.mjs', [String(process.pid)], { stdio, serialization: 'advanced' });
      decoder.send(${JSON.stringify(range)}, () => console.log(decoder.pid));
    `;
    const child = spawn(process.execPath, ['-e', parent, endless()], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const pid = Number(String((await once(child.stdout, 'data'))[0]));
    await sleep(500); // by now it reads the byte
    expect(process.kill(pid, 0)).toBe(true);
    child.kill('SIGKILL');
    await vi.waitUntil(() => !isAlive(pid), { timeout: 30_000 });
  });
});

/** A killed process that nobody has waited for yet is a zombie, and no longer alive. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
