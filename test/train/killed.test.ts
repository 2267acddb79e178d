import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { seededRandom } from '../random.ts';

const SEED = 5_152;
const KILLS = 20;
const UPDATES = 300;
/** 20 kills after at most 6 + 8 updates each stay below 300. */
const AHEAD = 8;
const place = temporaryFolder();

interface Ending {
  /** Exit status, or the signal. */
  end: number | NodeJS.Signals | null;
  stderr: string;
  /** The first and last update that it said it had done. */
  first: number;
  last: number;
}

/**
 * Trains in a process of its own, which is killed `delay` ms after its `after`-th update (null: never). It does no more
 * than AHEAD updates beyond that, however late the signal.
 */
async function trainIn(folder: string, kill: { after: number; delay: number } | null): Promise<Ending> {
  const script = path.resolve('test/train/fixtures/train-child.mjs');
  const child = spawn(process.execPath, [
    script,
    folder,
    `${UPDATES}`,
    `${kill === null ? 0 : kill.after + AHEAD}`,
  ]);
  const done: number[] = [];
  let stderr = '';
  let rest = '';
  let killed = false;
  child.stderr.on('data', (data: Buffer) => {
    stderr += data;
  });
  child.stdout.on('data', (data: Buffer) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop()!;
    done.push(...lines.map(Number));
    if (kill === null || killed || done.length < kill.after) return;
    killed = true;
    void sleep(kill.delay).then(() => child.kill('SIGKILL'));
  });
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ end: signal ?? code, stderr, first: done[0] ?? 0, last: done.at(-1) ?? 0 });
    });
  });
}

const hashOf = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

it(`killed ${KILLS} times at random moments, a training ends with the same bits (seed ${SEED})`, async () => {
  const [whole, killed] = [place('whole'), place('killed')];
  mkdirSync(whole);
  mkdirSync(killed);
  const uninterrupted = trainIn(whole, null);
  const random = seededRandom(SEED);
  let reached = 0;
  for (let i = 0; i < KILLS; i++) {
    const kill = { after: random.int(1, 6), delay: random.next() * 4 };
    const { end, stderr, first, last } = await trainIn(killed, kill);
    const what = `kill ${i}, ${kill.delay.toFixed(1)} ms after ${kill.after} updates: ${stderr}`;
    expect(end, what).toBe('SIGKILL');
    // It went on where the last state was: nothing is left out, and at most the updates since are done again.
    expect(first, what).toBeLessThanOrEqual(reached + 1 + 4);
    expect(first % 4, what).toBe(1);
    expect(existsSync(path.join(killed, 'final.safetensors')), what).toBe(false);
    reached = last;
  }
  expect(await trainIn(killed, null)).toMatchObject({ end: 0, stderr: '', last: UPDATES });
  expect(await uninterrupted).toMatchObject({ end: 0, stderr: '', first: 1, last: UPDATES });
  for (const name of ['final.safetensors', 'metrics.jsonl']) {
    expect(hashOf(path.join(killed, name)), name).toBe(hashOf(path.join(whole, name)));
  }
  expect(readdirSync(killed).sort()).toEqual(['final.safetensors', 'metrics.jsonl', 'training.state']);
});
