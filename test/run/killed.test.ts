import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { readAllJsonl } from '../../lib/data/jsonl.ts';
import { StepVerdict } from '../../lib/data/records.ts';
import type { Manifest } from '../../lib/run/run-directory.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { chatServer, judges } from '../judge/chat-server.ts';
import { seededRandom } from '../random.ts';

const SEED = 50;
/** npm run test:kill sets 50; the whole suite makes do with fewer. */
const KILLS = Number(process.env.LAPIDARY_TEST_KILLS ?? 10);
const CONCURRENCY = 4;
const place = temporaryFolder();

/** 24 groups of two right and three wrong responses, each of a few steps of its own. */
function dataFile(): string {
  const file = place('data.jsonl');
  const rows = Array.from({ length: 24 }, (_, group) =>
    Array.from({ length: 5 }, (_, i) => {
      const right = i < 2;
      const sum = group + 7 + (right ? 0 : i);
      const response = `Take ${group} of try ${i}.\n\n${group} + 7 = ${sum}.\n\nSo \\boxed{${sum}}`;
      return {
        prompt: `What is ${group} + 7?`,
        gold_answer: String(group + 7),
        prompt_id: `g${group}`,
        response,
      };
    }),
  ).flat();
  writeFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

function configFile(endpoint: string): string {
  const file = place('run.toml');
  const methods = ['bcpgNsa', 'grpo'].map(
    (objective) => `[[methods]]\nname = "${objective}"\nobjective = "${objective}"\n`,
  );
  writeFileSync(
    file,
    `name = "killed"
judge_concurrency = ${CONCURRENCY}
[data]
source = "file"
path = ${JSON.stringify(dataFile())}
[[judges]]
kind = "llm"
endpoint = "${endpoint}"
model = "m"
[policy]
width = 32
layers = 1
heads = 2
mlp_width = 48
max_context = 96
max_prompt = 24
[warmup]
updates = 20
responses_per_update = 8
lr = 1e-3
[train]
updates = 120
responses_per_update = 16
lr = 1e-3
checkpoint_every = 7
${methods.join('').replace('objective = "bcpgNsa"', 'objective = "bcpgNsa"\nbeta = -0.5\ntau = 0.01')}`,
  );
  return file;
}

/** Ends with its exit status, or with 'SIGKILL'. */
function run(
  config: string,
  out: string,
): { child: ChildProcess; end: Promise<number | string>; errors: () => string } {
  const child = spawn(process.execPath, ['dist/cli/main.js', 'run', config, '--out', out]);
  let stderr = '';
  child.stderr!.on('data', (data: Buffer) => {
    stderr += data;
  });
  child.stdout!.resume();
  const end = new Promise<number | string>((resolve) => {
    child.on('close', (status, signal) => resolve(status ?? signal!));
  });
  return { child, end, errors: () => stderr };
}

const manifestOf = (out: string) =>
  JSON.parse(readFileSync(path.join(out, 'manifest.json'), 'utf8')) as Manifest;

/** The bytes that must not depend on how often the run was cut off. */
function resultOf(out: string) {
  const { result_sha256, stages, status } = manifestOf(out);
  const files = ['metrics.jsonl', 'report.txt'].map((name) => readFileSync(path.join(out, name), 'utf8'));
  return { status, result_sha256, stages: stages.map(({ title, result }) => ({ title, result })), files };
}

it(`a run killed ${KILLS} times (seed ${SEED}) resumes to the same bytes and asks nothing twice`, async () => {
  const random = seededRandom(SEED);
  const { endpoint, requests } = await chatServer((response, request, socket) => {
    setTimeout(
      () => judges((text) => (text.length % 3 === 0 ? 'wrong' : 'right'))(response, request, socket),
      15,
    );
  });
  const config = configFile(endpoint);
  const reference = place('reference');
  const started = performance.now();
  const whole = run(config, reference);
  expect(await whole.end, whole.errors()).toBe(0);
  const milliseconds = performance.now() - started;
  const expected = resultOf(reference);
  expect(expected.status).toBe('done');
  const asked = requests.length;

  let kills = 0;
  let finished = 0;
  const stages = new Set<string>();
  while (kills < KILLS) {
    const out = place(`run-${finished}`);
    mkdirSync(out, { recursive: true });
    requests.length = 0;
    let killsHere = 0;
    for (let ended = false; !ended; ) {
      const attempt = run(config, out);
      // Past the start of Node, which leaves nothing to lose; short enough that a run is cut off several times.
      const delay = 300 + random.next() * milliseconds * 0.6;
      const outcome = await Promise.race([attempt.end, sleep(delay).then(() => 'due')]);
      if (outcome === 'due') attempt.child.kill('SIGKILL');
      const end = await attempt.end;
      if (end === 'SIGKILL') {
        killsHere += 1;
        for (const { kind } of readStages(out)) stages.add(kind);
      } else {
        expect(end, attempt.errors()).toBe(0);
        ended = true;
      }
    }
    expect(resultOf(out)).toEqual(expected);
    // What was under way when the process died has no answer on disk; nothing else is asked again.
    expect(requests.length).toBeLessThanOrEqual(asked + killsHere * CONCURRENCY);
    const judged = manifestOf(out).stages.find(({ kind }) => kind === 'judge')!;
    const rows = await readAllJsonl(path.join(out, judged.directory, 'verdicts.jsonl'), StepVerdict);
    expect(new Set(rows.map(({ rollout_id, k }) => `${rollout_id}/${k}`)).size).toBe(rows.length);
    kills += killsHere;
    finished += 1;
  }
  // Some deaths came before the judging was done, and some in the midst of training.
  expect([...stages]).toContain('warm-up');
  expect(finished).toBeGreaterThan(0);
}, 600_000);

function readStages(out: string): { kind: string }[] {
  try {
    return manifestOf(out).stages;
  } catch {
    return [];
  }
}
