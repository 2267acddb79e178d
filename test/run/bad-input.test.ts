import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { byteLevelFile } from '../tokenizer/hf-files.ts';

// What a user's files can hold, through the built command: one line that names file and row, the rest unharmed.
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-bad-input-'));
  writeFileSync(place('tokenizer.json'), JSON.stringify(byteLevelFile()));
});
afterAll(() => rmSync(directory, { recursive: true }));
beforeEach(() => {
  for (const name of ['out', 'again']) rmSync(place(name), { recursive: true, force: true });
});
const place = (name: string) => path.join(directory, name);

/** A row of the rollouts table in the vocabulary of byteLevelFile(). */
const row = (index: number, more: object = {}) => ({
  ...{ rollout_id: `r${index}`, prompt_id: 'p', iteration: 0, group_id: 'g', group_index: index },
  ...{ sampler: { engine: 'e', model: 'm' }, response_text: 'First.\n\n🎉 First' },
  ...{ response_ids: [0, 2, 3, 4, 5, 1], prompt_ids: [0], finish_reason: 'stop' },
  ...more,
});
const prompt = {
  prompt_id: 'p',
  messages: [{ role: 'user', content: 'Which?' }],
  reward_model: { style: 'math', ground_truth: 'First' },
};

/** Labels the rows; `lines` stand as they are where they are text. */
function label(lines: (object | string)[], more: { data?: string; set?: string[]; out?: string } = {}) {
  const text = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
  writeFileSync(place('data.jsonl'), `${text.join('\n')}\n`);
  writeFileSync(place('prompts.jsonl'), `${JSON.stringify(prompt)}\n`);
  writeFileSync(
    place('run.toml'),
    `name = "t"
[data]
source = "file"
${more.data ?? `path = "data.jsonl"\nprompts = "prompts.jsonl"\ntokenizer = ${JSON.stringify(place('tokenizer.json'))}\neos_token = "<|im_end|>"`}
[[judges]]
kind = "arithmetic"
[[methods]]
name = "NSA"
objective = "bcpgNsa"
beta = 0.5
`,
  );
  const set = (more.set ?? []).flatMap((value) => ['-o', value]);
  return spawnSync(
    process.execPath,
    [cli, 'label', 'run.toml', '--out', more.out ?? 'out', '--json', ...set],
    {
      cwd: directory,
      encoding: 'utf8',
    },
  );
}
const cli = path.resolve('dist/cli/main.js');

const rowsLabelled = (stdout: string) => {
  const { stages, directory: run } = JSON.parse(stdout);
  const stage = stages.find(({ kind }: { kind: string }) => kind === 'label');
  const table = readFileSync(place(path.join(run, stage.directory, 'train.jsonl')), 'utf8');
  return table.trim().split('\n').length;
};

describe('one bad row among three is named, with its file', () => {
  it.each<[string, object | string, RegExp]>([
    ['malformed', '{"rollout_id": "r1", ', /data\.jsonl: line 2: .*JSON/],
    [
      'with a field of the wrong type',
      { ...row(1), group_index: 'one' },
      /data\.jsonl: line 2: group_index: /,
    ],
    [
      'with too short a list of reference log-probs',
      row(1, { ref_logprobs: [-1, -1] }),
      /data\.jsonl: line 2: ref_logprobs: has 2 entries, response_ids has 6/,
    ],
    [
      'of another tokenizer',
      row(1, { sampler: { engine: 'e', model: 'm', tokenizer_sha256: 'f'.repeat(64) } }),
      /data\.jsonl: line 2: sampler\.tokenizer_sha256: found "f{64}", expected [0-9a-f]{64}: its ids belong to another/,
    ],
    [
      'whose ids do not spell its text',
      row(1, { response_ids: [0, 2, 3, 4, 5, 0] }),
      /data\.jsonl: line 2: response_ids: /,
    ],
    [
      'with an id beyond the vocabulary',
      row(1, { response_ids: [0, 999] }),
      /data\.jsonl: line 2: response_ids: /,
    ],
  ])('%s: it stops the run, or is left out', (_name, bad, message) => {
    const stopped = label([row(0), bad, row(2)]);
    expect(stopped.stderr.trim()).toMatch(/^lapidary: [^\n]+$/);
    expect(stopped.stderr).toMatch(message);
    expect(stopped.status).toBe(1);
    const skipped = label([row(0), bad, row(2)], { set: ['data.bad_rows=skip'] });
    expect(skipped.status, skipped.stderr).toBe(0);
    expect(skipped.stderr).toMatch(new RegExp(`left out {2}\\S*${message.source}`));
    expect(rowsLabelled(skipped.stdout)).toBe(2);
  });
});

it('a response cut at the token limit is named and counted, and stays', () => {
  const { status, stdout, stderr } = label([row(0), row(1, { finish_reason: 'length' }), row(2)]);
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/cut short {2}\S*data\.jsonl: line 2: cut at the token limit/);
  expect(rowsLabelled(stdout)).toBe(3);
});

describe('a Parquet file', () => {
  const data = 'path = "data.parquet"';
  const bytes = Buffer.from(
    parquetWriteBuffer({
      columnData: [
        { name: 'prompt', data: ['1 + 1?', '1 + 1?'] },
        { name: 'response', data: ['It is 2.', 'It is 3.'] },
        { name: 'gold_answer', data: ['2', null] },
      ],
    }),
  );

  it('that is truncated is named', () => {
    writeFileSync(place('data.parquet'), bytes.subarray(0, bytes.length - 40));
    const { status, stderr } = label([], { data });
    expect(stderr.trim()).toMatch(/^lapidary: [^\n]*data\.parquet: [^\n]*file is truncated[^\n]*$/);
    expect(status).toBe(1);
  });

  it('with a bad row names file and row, and the row may be left out', () => {
    writeFileSync(place('data.parquet'), bytes);
    const stopped = label([], { data });
    expect(stopped.stderr.trim()).toMatch(/^lapidary: [^\n]*data\.parquet: line 2: gold_answer: [^\n]*$/);
    expect(stopped.status).toBe(1);
    const skipped = label([], { data, set: ['data.bad_rows=skip'] });
    expect(skipped.status, skipped.stderr).toBe(0);
    expect(rowsLabelled(skipped.stdout)).toBe(1);
  });
});

it('a disk that is full is told with the file, and the same command goes on later', () => {
  const rows = [row(0), row(1, { extra: 'x'.repeat(3000) }), row(2)];
  const whole = label(rows, { out: 'again' });
  expect(whole.status, whole.stderr).toBe(0);
  // A limit on the size of files, in blocks of 1024 bytes, stands for the full disk.
  const full = spawnSync(
    'bash',
    ['-c', `ulimit -f 2; exec "$0" "$1" label run.toml --out out`, process.execPath, cli],
    {
      cwd: directory,
      encoding: 'utf8',
    },
  );
  expect(full.stderr.trim()).toMatch(/lapidary: \S*rollouts\.jsonl: cannot be written: [^\n]+$/);
  expect(full.status).toBe(1);
  const later = label(rows);
  expect(later.status, later.stderr).toBe(0);
  const result = (stdout: string) => JSON.parse(stdout).result_sha256;
  expect(result(later.stdout)).toBe(result(whole.stdout));
  expect(result(later.stdout)).toMatch(/^[0-9a-f]{64}$/);
});
