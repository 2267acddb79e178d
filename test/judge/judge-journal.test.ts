import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { JOURNAL_HEADER } from '../../lib/judge/journal-line.ts';
import type { Judge, JudgeRequest } from '../../lib/judge/judge.ts';
import { type JournalEntry, JudgeJournal, journalKey } from '../../lib/judge/judge-journal.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { seededRandom } from '../random.ts';

const at = temporaryFolder();
let files = 0;
const fresh = () => at(`journal-${files++}.jsonl`);

function entry(n: number, more: Partial<JournalEntry> = {}): JournalEntry {
  return {
    key: n.toString(16).padStart(64, '0'),
    judge_id: 'j',
    rollout_id: `r${n}`,
    status: 'done',
    judgements: [{ label: 'right', recovers: false, score: 0.5, reason: `because\n"${n}" é 🙂 \ud800` }],
    usage: { promptTokens: 1, completionTokens: 2, seconds: 0.25, costUsd: 0.5 },
    reply_sha256: null,
    attempt: 1,
    created_at: '2025-01-01T00:00:00.000Z',
    ...more,
  };
}

async function filled(count: number): Promise<string> {
  const file = fresh();
  const journal = await JudgeJournal.open(file);
  await Promise.all(Array.from({ length: count }, (_, n) => journal.append(entry(n))));
  await journal.close();
  return file;
}

describe('JudgeJournal', () => {
  it('gives back what was written, the last of each key, and the sum of all costs', async () => {
    const file = await filled(3);
    const journal = await JudgeJournal.open(file);
    expect(journal.size).toBe(3);
    for (const n of [0, 1, 2]) expect(journal.get(entry(n).key)).toEqual(entry(n));
    await journal.append(entry(1, { status: 'failed', attempt: 2 }));
    expect(journal.spentUsd).toBe(2);
    await journal.close();
    await journal.close();
    const again = await JudgeJournal.open(file);
    expect(again.get(entry(1).key)).toMatchObject({ status: 'failed', attempt: 2 });
    expect([again.size, again.spentUsd]).toEqual([3, 2]);
    await again.close();
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(1 + 4 + 1);
    await expect(journal.append(entry(9))).rejects.toMatchObject({ code: 'ERR_LAPIDARY_STATE' });
  });

  it('cuts off a torn last line, wherever it was torn, and loses no other', async () => {
    const whole = readFileSync(await filled(3));
    const ends = [...whole.entries()].flatMap(([i, byte]) => (byte === 0x0a ? [i + 1] : []));
    const random = seededRandom(20_250_812);
    console.log(`seed ${random.seed}`);
    const sizes = [0, 1, ends[0]! - 1, ...ends, ...ends.map((end) => end - 1)];
    for (let i = 0; i < 40; i++) sizes.push(random.int(0, whole.length));
    for (const size of sizes) {
      const file = fresh();
      writeFileSync(file, whole.subarray(0, size));
      const journal = await JudgeJournal.open(file);
      const lines = ends.filter((end) => end <= size).length;
      expect(journal.size).toBe(Math.max(0, lines - 1));
      await journal.append(entry(7));
      await journal.close();
      const again = await JudgeJournal.open(file);
      expect(again.get(entry(7).key)).toEqual(entry(7));
      expect(again.size).toBe(Math.max(0, lines - 1) + 1);
      await again.close();
    }
  });

  it('refuses any other damage, with file and line', async () => {
    const file = await filled(5);
    const whole = readFileSync(file);
    const random = seededRandom(5);
    console.log(`seed ${random.seed}`);
    for (let i = 0; i < 60; i++) {
      const position = random.int(0, whole.length - 2);
      if (whole[position] === 0x0a) continue;
      const damaged = Buffer.from(whole);
      damaged[position] = whole[position] === 0x78 ? 0x79 : 0x78;
      const line = whole.subarray(0, position).filter((byte) => byte === 0x0a).length + 1;
      writeFileSync(file, damaged);
      const open = JudgeJournal.open(file);
      await expect(open).rejects.toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
      await expect(open).rejects.toThrow(`${file}: line ${line}: `);
      expect(readFileSync(file).equals(damaged)).toBe(true);
    }
    const text = whole.toString();
    writeFileSync(file, text.replace(/\n/, '\n\n'));
    await expect(JudgeJournal.open(file)).rejects.toThrow(`${file}: line 2: check`);
    expect(readdirSync(path.dirname(file)).filter((name) => name.includes('.lock'))).toEqual([]);
  });

  it('leaves a file of another kind as it is', async () => {
    for (const text of ['{"prompt": "x"}\n{"prompt": "y"', 'no newline at all', '\n', `${JOURNAL_HEADER}x`]) {
      const file = fresh();
      writeFileSync(file, text);
      await expect(JudgeJournal.open(file)).rejects.toThrow(`${file}: line 1: row: is not the header`);
      expect(readFileSync(file, 'utf8')).toBe(text);
    }
  });

  it('refuses a number that JSON would lose', async () => {
    const journal = await JudgeJournal.open(fresh());
    const judgements = [{ label: 'right' as const, recovers: false, score: Number.NaN, reason: null }];
    await expect(journal.append(entry(1, { judgements }))).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
    });
    await journal.append(entry(2));
    await journal.close();
    const again = await JudgeJournal.open(journal.path);
    expect(again.size).toBe(1);
    await again.close();
  });

  it('fails where the file cannot be made, and leaves no lock', async () => {
    const file = at('no/such/folder.jsonl');
    await expect(JudgeJournal.open(file)).rejects.toMatchObject({ code: 'ERR_LAPIDARY_IO' });
    await expect(JudgeJournal.open(at(''))).rejects.toMatchObject({ code: 'ERR_LAPIDARY_IO' });
    expect(readdirSync(at('')).filter((name) => name.includes('.lock'))).toEqual([]);
  });

  it('grows by whole lines where a reader looks at it meanwhile', async () => {
    const file = fresh();
    const journal = await JudgeJournal.open(file);
    const appends = Array.from({ length: 200 }, (_, n) =>
      journal.append(entry(n)).then(() => {
        expect(readFileSync(file, 'utf8')).toContain(`"rollout_id":"r${n}"`);
      }),
    );
    await Promise.all(appends);
    await journal.close();
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(201);
  });
});

describe('the lock', () => {
  const lockOf = (file: string) => `${file}.lock`;

  it('lets one in at a time, in this process too', async () => {
    const file = fresh();
    const journal = await JudgeJournal.open(file);
    const second = JudgeJournal.open(file);
    await expect(second).rejects.toMatchObject({ code: 'ERR_LAPIDARY_STATE' });
    await expect(second).rejects.toThrow(`process ${process.pid}`);
    await journal.close();
    expect(existsSync(lockOf(file))).toBe(false);
    const opened = await Promise.allSettled(Array.from({ length: 8 }, () => JudgeJournal.open(file)));
    const won = opened.filter((one) => one.status === 'fulfilled');
    expect(won).toHaveLength(1);
    await won[0]!.value.close();
  });

  it('of a dead process is taken over, by one of many', async () => {
    const file = fresh();
    const dead = execFile(process.execPath, ['-e', '']);
    await new Promise((resolve) => dead.on('exit', resolve));
    for (const owner of [
      { pid: dead.pid, started: null, host: hostname() },
      // The pid has been given to this very process, as happens in containers.
      { pid: process.pid, started: null, host: hostname() },
      // The pid lives, but started at another time.
      { pid: process.ppid, started: '1', host: hostname() },
    ]) {
      writeFileSync(lockOf(file), JSON.stringify(owner));
      const opened = await Promise.allSettled(Array.from({ length: 6 }, () => JudgeJournal.open(file)));
      const won = opened.filter((one) => one.status === 'fulfilled');
      expect(won).toHaveLength(1);
      await won[0]!.value.close();
    }
  });

  it('of a living process, of another host or of nobody knows whom is respected', async () => {
    const file = fresh();
    const alive = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      for (const [text, who] of [
        [JSON.stringify({ pid: alive.pid, started: null, host: hostname() }), `process ${alive.pid}`],
        [JSON.stringify({ pid: 1, started: null, host: 'elsewhere' }), 'process 1 on elsewhere'],
        ['garbage', 'another process'],
      ] as const) {
        writeFileSync(lockOf(file), text);
        const open = JudgeJournal.open(file);
        await expect(open).rejects.toMatchObject({ code: 'ERR_LAPIDARY_STATE' });
        await expect(open).rejects.toThrow(who);
        expect(readFileSync(lockOf(file), 'utf8')).toBe(text);
      }
    } finally {
      alive.kill('SIGKILL');
    }
  });
});

describe('journalKey', () => {
  const request: JudgeRequest = {
    ...{ rolloutId: 'r', problem: 'P', groundTruth: '1', steps: ['a', 'b'] },
    ...{ promptIds: [1], responseIds: [2, 3], stepEnds: [1, 2] },
  };
  const judge = { id: 'j', judge: async () => ({ judgements: [], usage: entry(0).usage }) } satisfies Judge;
  const key = (more: Partial<JudgeRequest>, other: object = {}) =>
    journalKey({ ...judge, ...other }, { ...request, ...more });

  it('depends on the content, and on whose it is not', () => {
    expect(key({ rolloutId: 'other' })).toBe(key({}));
    const others = [
      key({ problem: 'Q' }),
      key({ groundTruth: '2' }),
      key({ steps: ['ab'] }),
      key({ steps: ['a', 'c'] }),
      key({ asked: [0] }),
      key({}, { id: 'k' }),
    ];
    expect(new Set([key({}), ...others]).size).toBe(others.length + 1);
  });

  it('depends on tokens only for judges of prefixes, and on the gold answer only where it is shown', () => {
    expect(key({ responseIds: [9, 9], stepEnds: null })).toBe(key({}));
    const prefix = { scope: 'prefix' };
    expect(key({ responseIds: [2, 4] }, prefix)).not.toBe(key({}, prefix));
    expect(key({ stepEnds: [0, 2] }, prefix)).not.toBe(key({}, prefix));
    const blind = { seesGroundTruth: false };
    expect(key({ groundTruth: '2' }, blind)).toBe(key({}, blind));
  });
});
