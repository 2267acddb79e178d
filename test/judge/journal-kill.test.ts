import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { contentId } from '../../lib/data/ids.ts';
import type { StepVerdict } from '../../lib/data/records.ts';
import { parseJournalLine } from '../../lib/judge/journal-line.ts';
import type { JudgeCounts } from '../../lib/judge/judge-counts.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { seededRandom } from '../random.ts';
import { askedIndices, type Behaviour, chatServer, judges, resets, says, status } from './chat-server.ts';
import { judgedData } from './judged-data.ts';

// Two judges ask of each once at least: more than 16 kills after at most 13 answers, and 4 after one, can get done. A kill
// comes when no more than 4 of 6 or more questions are without an answer, so each gets something done.
const RESPONSES = 107;
const KILLS = 20;
const KEY = 'sk-very-secret-0123456789';

// The child runs the compiled library, as users do; `npm test` builds it first.
const script = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures', 'judge-child.mjs');
const at = temporaryFolder();

interface Output {
  verdicts: StepVerdict[];
  counts: Record<string, JudgeCounts>;
}

const verdictOf = judges((text) => (text.includes('b') ? 'wrong' : 'right'));

/**
 * What is said depends on the question alone, with some of every trouble; only transient failures are left to chance,
 * and these are asked again.
 */
function answer(number: number, random: () => number): Behaviour {
  return (response, request, socket) => {
    const asked = askedIndices(request).length;
    const chance = random();
    let behaviour = verdictOf;
    if (number % 11 === 3) behaviour = says('I think that they are fine.');
    else if (number % 7 === 2 && asked > 2) behaviour = says('{"judgements": [', { finish: 'length' });
    else if (chance < 0.05) behaviour = resets;
    else if (chance < 0.1) behaviour = status(503);
    else if (chance < 0.15) behaviour = status(429, { 'retry-after-ms': '4' });
    setTimeout(() => behaviour(response, request, socket), random() * 8);
  };
}

/** Judges through a server of its own, `run` being one child with one journal. */
async function setUp(name: string, seed: number) {
  const random = seededRandom(seed);
  const [dataPath, journal, out] = ['data', 'journal', 'out'].map((file) => at(`${name}-${file}.json`));
  writeFileSync(dataPath!, JSON.stringify(judgedData(texts())));
  let onRequest = (_model: string, _number: number): boolean => true;
  const server = await chatServer((response, request, socket) => {
    const number = Number(/problem (\d+)\n/.exec(request.body.messages[1].content)![1]);
    if (onRequest(request.body.model, number)) answer(number, random.next)(response, request, socket);
  });
  let printed = '';
  const start = () => {
    const child = spawn(process.execPath, [script, server.endpoint, dataPath!, journal!, out!], {
      env: { ...process.env, LAPIDARY_TEST_KEY: KEY },
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (printed += text));
    const ended = new Promise<string | number | null>((resolve) =>
      child.on('close', (code, signal) => resolve(signal ?? code)),
    );
    return { child, ended };
  };
  return {
    ...{ random, journal: journal!, start, printed: () => printed },
    output: () => JSON.parse(readFileSync(out!, 'utf8')) as Output,
    /** False leaves the request without an answer. */
    watch: (watcher: typeof onRequest) => {
      onRequest = watcher;
    },
  };
}

function texts(): string[] {
  const random = seededRandom(3);
  return Array.from({ length: RESPONSES }, (_, i) =>
    `${i}`
      .padStart(2, '0')
      .concat(...Array.from({ length: random.int(1, 5) }, () => random.pick(['aa', 'bb', 'cc']))),
  );
}

/** "model number" of all responses that are finished by the journal's word. */
function finished(journal: string): Set<string> {
  if (!existsSync(journal)) return new Set();
  const lines = readFileSync(journal, 'utf8').split('\n').slice(1, -1);
  const entries = lines.map((text, i) => parseJournalLine(text, journal, i + 2));
  const done = entries.filter(({ status }) => status === 'done');
  return new Set(done.map((entry) => `${entry.judge_id.split(':')[1]} ${entry.rollout_id.slice(1)}`));
}

async function finish(run: Awaited<ReturnType<typeof setUp>>): Promise<Output> {
  for (let rounds = 0; rounds < 20; rounds++) {
    expect(await run.start().ended, run.printed()).toBe(0);
    const output = run.output();
    if (Object.values(output.counts).every(({ failed }) => failed === 0)) return output;
  }
  throw new Error('failures did not end');
}

// The time is that of starting a process 22 times, on whatever else the machine does.
it(`judging killed ${KILLS} times asks nothing twice that was finished, and ends as if never killed`, async () => {
  const seed = 20_250_819;
  console.log(`seed ${seed}`);
  const run = await setUp('killed', seed);
  const again: string[] = [];
  let done = new Set<string>();
  let requests = 0;
  let killAt = 0;
  let mostAnswered = 0;
  let killing = true;
  let kill = () => {};
  run.watch((model, number) => {
    requests++;
    if (done.has(`${model} ${number}`)) again.push(`${model} ${number}`);
    if (requests === killAt) setTimeout(kill, run.random.int(0, 15));
    // However late the signal is on a busy machine, the child cannot come to its end.
    return !killing || requests <= mostAnswered;
  });
  const progress: number[] = [];
  for (let round = 0; round < KILLS; round++) {
    const { child, ended } = run.start();
    kill = () => child.kill('SIGKILL');
    requests = 0;
    // Now and then while it starts or opens the journal, else in the middle of the work.
    killAt = round % 5 === 4 ? 0 : run.random.int(6, 12);
    mostAnswered = killAt + 1;
    if (killAt === 0) setTimeout(kill, run.random.int(0, 250));
    expect(await ended, run.printed()).toBe('SIGKILL');
    // A kill in the middle of a write is too rare to wait for: its trace is left by hand.
    if (existsSync(run.journal) && run.random.next() < 0.5)
      appendFileSync(run.journal, '{"key":"00112233","judge_id":"llm:m1'.slice(0, run.random.int(1, 36)));
    const whole = finished(run.journal);
    for (const one of done) expect(whole).toContain(one);
    done = whole;
    progress.push(done.size);
  }
  console.log(`finished after each kill: ${progress.join(' ')}`);
  expect(progress.at(-1)).toBeGreaterThan(10);
  expect(progress.at(-1)).toBeLessThan(2 * RESPONSES);
  killing = false;
  killAt = -1;
  const output = await finish(run);
  expect(again).toEqual([]);

  const expected = judgedData(texts()).steps.length * 2;
  const steps = output.verdicts.map(({ rollout_id, k, judge_id }) => `${rollout_id} ${k} ${judge_id}`);
  expect(new Set(steps).size).toBe(expected);
  expect(steps).toHaveLength(expected);
  const abstained = Object.values(output.counts).map((counts) => Object.keys(counts.abstained));
  expect(abstained).toEqual([['malformed'], ['malformed']]);

  const plain = await finish(await setUp('plain', seed + 1));
  expect(contentId(output.verdicts)).toBe(contentId(plain.verdicts));
  expect(run.printed() + readFileSync(run.journal, 'utf8')).not.toContain(KEY);
}, 240_000);
