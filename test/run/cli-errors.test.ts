import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-cli-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const GOOD_ROW = {
  prompt: 'What is 1 + 1?',
  response: '1 + 1 = 2\n\nThe answer is \\boxed{2}',
  gold_answer: '2',
};

function config(dataPath: string, extra = ''): string {
  return `name = "t"
[data]
source = "file"
path = ${JSON.stringify(dataPath)}
${extra}
[[judges]]
kind = "arithmetic"
[policy]
width = 16
layers = 1
heads = 2
mlp_width = 16
max_context = 64
max_prompt = 16
[warmup]
updates = 1
responses_per_update = 1
lr = 1e-3
[train]
updates = 1
responses_per_update = 1
lr = 1e-3
[[methods]]
name = "BCPG"
objective = "bcpg"
`;
}

/** Runs the built command line in a child process, as a user would. */
function lapidary(...args: string[]) {
  return spawnSync(process.execPath, [path.resolve('dist/cli/main.js'), ...args], {
    encoding: 'utf8',
    cwd: directory,
  });
}

function runOn(data: string | null, configText?: string) {
  const dataPath = path.join(directory, 'data.jsonl');
  if (data === null) rmSync(dataPath, { force: true });
  else writeFileSync(dataPath, data);
  const configPath = path.join(directory, 'run.toml');
  writeFileSync(configPath, configText ?? config(dataPath));
  const out = path.join(directory, 'out');
  const result = lapidary('run', configPath, '--out', out);
  return { ...result, left: existsSync(out) ? readdirSync(out) : [] };
}

const line = (row: object) => `${JSON.stringify(row)}\n`;
const table = {
  ...{ rollout_id: 'r', prompt_id: 'p', iteration: 0, group_id: 'g', group_index: 0, response_text: 'x' },
  sampler: { engine: 'e', model: 'm' },
};

describe('a wrong input gets one clear line, exit status 1, and leaves nothing behind', () => {
  it.each<[string, string | null, RegExp]>([
    ['bad JSON', `${line(GOOD_ROW)}{"prompt": \n`, /data\.jsonl: line 2: .*JSON/],
    [
      'a missing field',
      line(GOOD_ROW) + line({ prompt: 'a', response: 'b' }),
      /data\.jsonl: line 2: gold_answer: /,
    ],
    ['a field of the wrong type', line({ ...GOOD_ROW, response: 7 }), /data\.jsonl: line 1: response: /],
    ['an empty file', '', /data\.jsonl: .*no rows/],
    ['an answer of an unknown form', line({ ...GOOD_ROW, gold_answer: { x: 1 } }), /line 1: gold_answer: /],
    ['a missing file', null, /data\.jsonl/],
    ['an empty gold answer', line({ ...GOOD_ROW, gold_answer: ' ' }), /line 1: gold_answer: is empty/],
    ['rows of an unknown form', line({ question: 'a', completion: 'b' }), /line 1: .*(prompt|response)/],
  ])('%s', (_name, data, message) => {
    const { status, stderr, left } = runOn(data);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/^lapidary: /);
    expect(status).toBe(1);
    expect(left).toEqual([]);
  });

  it.each<[string, object, RegExp]>([
    [
      'a NaN log-prob',
      { ...table, response_ids: [1], behavior_logprobs: ['NaN'], logprob_kind: 'raw_full_vocab' },
      /line 1: behavior_logprobs/,
    ],
    [
      'mismatched lengths',
      { ...table, response_ids: [1, 2], behavior_logprobs: [-1], logprob_kind: 'raw_full_vocab' },
      /line 1: behavior_logprobs: .*1.*2/,
    ],
  ])('%s', (_name, row, message) => {
    const prompts = path.join(directory, 'prompts.jsonl');
    const prompt = {
      prompt_id: 'p',
      messages: [{ role: 'user', content: 'q' }],
      reward_model: { style: 'math', ground_truth: '1' },
    };
    writeFileSync(prompts, line(prompt));
    const text = config(path.join(directory, 'data.jsonl'), 'prompts = "prompts.jsonl"');
    const { status, stderr, left } = runOn(line(row).replace('"NaN"', 'NaN'), text);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/NaN/.test(stderr) ? /line 1: / : message);
    expect(status).toBe(1);
    expect(left).toEqual([]);
  });
});

describe('a wrong configuration', () => {
  const data = () => path.join(directory, 'data.jsonl');
  it.each<[string, () => string, RegExp]>([
    ['that is not TOML', () => 'name = ', /run\.toml: line 1/],
    [
      'with an unknown key',
      () => config(data(), 'colour = "red"'),
      /data\.colour: unknown key; known here: source, path/,
    ],
    ['with an impossible value', () => config(data()).replace('lr = 1e-3', 'lr = -1'), /warmup\.lr/],
    ['with an unknown objective', () => config(data()).replace('"bcpg"', '"ppo2"'), /methods\.0\.objective/],
    ['with beta out of range', () => `${config(data())}beta = 2\n`, /methods\.0\.beta/],
  ])('%s', (_name, text, message) => {
    const { status, stderr, left } = runOn(line(GOOD_ROW), text());
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
    expect(left).toEqual([]);
  });

  it('or a wrong override is refused, and names itself', () => {
    const file = path.join(directory, 'override.toml');
    writeFileSync(file, config(data()));
    const stderr = (...set: string[]) =>
      lapidary('run', file, ...set.flatMap((text) => ['--set', text])).stderr;
    expect(stderr('train.lr')).toMatch(/-o train\.lr: expected key=value/);
    expect(stderr('tarin.lr=1')).toMatch(/tarin: unknown key; did you mean train\?/);
    expect(stderr('train.lr=-1')).toMatch(/train\.lr/);
    expect(stderr('methods.0.propagation=global')).toMatch(/methods\.0\.propagation/);
  });

  it('and an unknown command or option are refused', () => {
    expect(lapidary('frobnicate').status).toBe(1);
    expect(lapidary('run', 'a.toml', '--fast').stderr).toMatch(/--fast/);
    expect(lapidary('doctor', 'extra').status).toBe(1);
  });
});

it('a directory that holds files is not written to', () => {
  const out = path.join(directory, 'occupied');
  spawnSync('mkdir', ['-p', out]);
  writeFileSync(path.join(out, 'mine.txt'), 'keep');
  const configPath = path.join(directory, 'run.toml');
  writeFileSync(path.join(directory, 'data.jsonl'), line(GOOD_ROW));
  writeFileSync(configPath, config(path.join(directory, 'data.jsonl')));
  const { status, stderr } = lapidary('run', configPath, '--out', out);
  expect(stderr).toMatch(/occupied: holds files that are not a run's/);
  expect(status).toBe(1);
  expect(readdirSync(out)).toEqual(['mine.txt']);
});

// Node's own recursive mkdir never returns there, so the command is given a minute.
it.runIf(process.platform === 'linux')('a directory that the file system refuses is named', () => {
  const dataPath = path.join(directory, 'data.jsonl');
  writeFileSync(dataPath, line(GOOD_ROW));
  const configPath = path.join(directory, 'run.toml');
  writeFileSync(configPath, config(dataPath));
  for (const out of ['/proc/lapidary', '/proc/lapidary/run']) {
    const command = [path.resolve('dist/cli/main.js'), 'run', configPath, '--out', out];
    const { status, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8', timeout: 60_000 });
    expect(stderr).toMatch(/\/proc\/lapidary.*: cannot be made: ENOENT/);
    expect(status).toBe(1);
  }
});

it('a run with nothing to train on says so', () => {
  const { status, stderr } = runOn(line(GOOD_ROW));
  expect(stderr).toMatch(/no groups? (is|are) mixed|nothing to train on/);
  expect(status).toBe(1);
});
