import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Manifest } from '../../lib/run/run-directory.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';

const place = temporaryFolder();

function lapidary(...args: string[]) {
  const cwd = path.dirname(place('x'));
  return spawnSync(process.execPath, [path.resolve('dist/cli/main.js'), ...args], { encoding: 'utf8', cwd });
}

/** One mixed group in the grouped form; with `bad`, a row without an answer before it. */
function write(bad: boolean) {
  const row = {
    prompt: 'What is 3 * 4 + 2?',
    answer: '14',
    responses: ['3 * 4 = 12.\n\n12 + 2 = 14.\n\n\\boxed{14}', '3 * 4 = 12.\n\n12 + 2 = 15.\n\n\\boxed{15}'],
  };
  const rows = [...(bad ? ['{"prompt":"no answer","responses":["x"]}'] : []), JSON.stringify(row)];
  writeFileSync(place('data.jsonl'), `${rows.join('\n')}\n`);
  writeFileSync(
    place('run.toml'),
    `name = "exported"
[data]
source = "file"
path = "data.jsonl"
${bad ? 'bad_rows = "skip"' : ''}
[[judges]]
kind = "arithmetic"
[[methods]]
name = "NSA"
objective = "bcpgNsa"
beta = -0.5
`,
  );
}

const rowsOf = (file: string) =>
  readFileSync(place(file), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('lapidary export', () => {
  it('writes stepwise labels and per-token advantages of the labelled set', () => {
    write(false);
    const stepwise = lapidary('export', 'run.toml', '--format', 'trl-stepwise');
    expect(stepwise.status, stepwise.stderr).toBe(0);
    const wrong = rowsOf('runs/exported/trl-stepwise.jsonl').find(({ completions }) =>
      (completions as string[]).join('').includes('15'),
    )!;
    expect((wrong.completions as string[])[0]).toMatch(/3 \* 4 = 12/);
    expect((wrong.labels as boolean[]).slice(0, 2)).toEqual([true, false]);
    expect(lapidary('export', 'run.toml', '--format', 'verl').status).toBe(0);
    const advantages = rowsOf('runs/exported/verl.jsonl').map((row) => row.advantages as number[]);
    // Right response +0.5 throughout; wrong one -0.5, times -0.5 on its right step.
    expect(advantages[0]!.every((value) => value === 0.5)).toBe(true);
    expect([...new Set(advantages[1])]).toEqual([0.25, -0.5]);
  });

  it('names an unknown format', () => {
    const { status, stderr } = lapidary('export', 'run.toml', '--format', 'trl');
    expect(status).toBe(1);
    expect(stderr).toMatch(/--format: got trl; expected trl-stepwise, /);
  });
});

it('malformed rows are left out by name, counted, and the rest goes on', () => {
  write(true);
  const { status, stdout, stderr } = lapidary('label', 'run.toml', '--out', 'skipping');
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(/left out {2}.*data\.jsonl: line 1: .*answer/);
  const manifest = JSON.parse(readFileSync(place('skipping/manifest.json'), 'utf8')) as Manifest;
  expect(manifest.stages.find(({ kind }) => kind === 'import')!.counts).toMatchObject({
    rollouts: 2,
    skipped: 1,
  });
});
