import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAllJsonl } from '../../lib/data/jsonl.ts';
import { EvalRow, Rollout, Step, StepVerdict, TrainRow } from '../../lib/data/records.ts';
import type { RunConfig } from '../../lib/run/config.ts';
import { checkConfig } from '../../lib/run/load-config.ts';
import { type Progress, silent } from '../../lib/run/progress.ts';
import { run } from '../../lib/run/run.ts';
import type { Manifest } from '../../lib/run/run-directory.ts';
import { chatServer, verdicts } from '../judge/chat-server.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-run-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const POLICY = { width: 16, layers: 1, heads: 2, mlp_width: 24, max_context: 96, max_prompt: 24 };
const OPTIMISER = { updates: 2, responses_per_update: 4, lr: 1e-3 };
const ROLLOUTS = 'verify';
const METHODS = [
  { name: 'BCPG', objective: 'bcpg', tau: 0.1 },
  { name: 'BCPG-NSA', objective: 'bcpgNsa', tau: 0.1, beta: -0.5 },
];

/** One mixed and one flat group; the wrong response opens with a right step. */
function dataFile(): string {
  const file = path.join(directory, 'data.jsonl');
  const row = (prompt_id: string, sample_index: number, response: string) => ({
    ...{
      prompt: `What is 3 * 4 + 2? (${prompt_id})`,
      gold_answer: '14',
      prompt_id,
      sample_index,
      response,
      note: 'kept',
    },
  });
  const rows = [
    row('mixed', 0, '3 * 4 = 12.\n\n12 + 2 = 14.\n\n\\boxed{14}'),
    row('mixed', 1, '3 * 4 = 12.\n\n12 + 2 = 15.\n\n\\boxed{15}'),
    row('flat', 0, '\\boxed{14}'),
    row('flat', 1, 'It is \\boxed{14}.'),
  ];
  writeFileSync(file, rows.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  return file;
}

function fileConfig(judges: object[] = [{ kind: 'arithmetic' }]): RunConfig {
  const data = { source: 'file', path: dataFile() };
  const segment = { unit: 'paragraph', min_chars: 1 };
  return checkConfig(
    {
      name: 'test',
      data,
      segment,
      judges,
      policy: POLICY,
      warmup: OPTIMISER,
      train: OPTIMISER,
      methods: METHODS,
    },
    'test',
  );
}

const read = (out: string, name: string) => readFileSync(path.join(out, name));
const manifestOf = (out: string) => JSON.parse(read(out, 'manifest.json').toString()) as Manifest;

/** A file of the stage with this title, by way of the manifest. */
function stageFile(out: string, title: string, file: string): string {
  const stage = manifestOf(out).stages.find((one) => one.title === title);
  if (stage === undefined) throw new Error(`${title} is not in the manifest`);
  return path.join(out, stage.directory, file);
}
const trainRows = (out: string, method: string) =>
  readAllJsonl(stageFile(out, `label ${method}, seed 0`, 'train.jsonl'), TrainRow);

/** A run that died after each of its stages in turn must go on to the bytes of the run that never did. */
async function cutOffAnywhere(config: RunConfig, whole: string): Promise<void> {
  const expected = manifestOf(whole);
  for (const [index, { title }] of expected.stages.entries()) {
    const out = path.join(directory, `${path.basename(whole)}-cut-${index}`);
    for (const stage of expected.stages.slice(0, index + 1)) {
      cpSync(path.join(whole, stage.directory), path.join(out, stage.directory), { recursive: true });
    }
    await run(config, { out, progress: silent });
    expect(manifestOf(out).result_sha256, `cut off after "${title}"`).toBe(expected.result_sha256);
    for (const name of ['metrics.jsonl', 'report.txt']) {
      expect(read(out, name).equals(read(whole, name)), `${name}, cut off after "${title}"`).toBe(true);
    }
  }
}

describe('a run over stored rollouts', () => {
  it('writes every table, and relieves just the right step of the wrong response', async () => {
    const out = path.join(directory, 'stored');
    const lines: string[] = [];
    const progress: Progress = { ...silent, line: (text) => lines.push(text) };
    await run(fileConfig(), { out, progress });
    const rollouts = await readAllJsonl(stageFile(out, ROLLOUTS, 'rollouts.jsonl'), Rollout);
    expect(rollouts.map(({ verdict }) => verdict)).toEqual(['right', 'wrong', 'right', 'right']);
    expect(rollouts.every((rollout) => rollout.note === 'kept')).toBe(true);
    const steps = await readAllJsonl(stageFile(out, 'segment', 'steps.jsonl'), Step);
    const given = await readAllJsonl(stageFile(out, 'judge arithmetic', 'verdicts.jsonl'), StepVerdict);
    expect(given).toHaveLength(steps.length);
    const rows = await trainRows(out, 'BCPG-NSA');
    expect(rows.map((row) => row.drop_reason)).toEqual([null, null, 'flat_group', 'flat_group']);
    expect(rows.map((row) => row.advantage)).toEqual([0.5, -0.5, 0, 0]);
    const relieved = '3 * 4 = 12.\n\n'.length;
    rows[1]!.token_weight.forEach((weight, t) => {
      expect(weight, `token ${t}`).toBe(t < relieved ? -0.5 : 1);
    });
    expect((await trainRows(out, 'BCPG'))[1]!.token_weight.every((w) => w === 1)).toBe(true);
    const metrics = read(out, 'metrics.jsonl')
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(metrics).toHaveLength(4);
    expect(metrics[0].sMaxAbs).toBe(0); // the policy starts as its own reference
    expect(manifestOf(out).status).toBe('done');
    expect(manifestOf(out).stages.find(({ kind }) => kind === 'verify')!.counts).toMatchObject({
      ...{ rollouts: 4, right: 3, wrong: 1, unknown: 0 },
    });
    expect(lines.join('\n')).toMatch(/groups {4}1 mixed, 1 all right/);
  });

  it('gives the same tables and weights again', async () => {
    const [first, second] = ['again-1', 'again-2'].map((name) => path.join(directory, name)) as [
      string,
      string,
    ];
    await run(fileConfig(), { out: first, progress: silent });
    await run({ ...fileConfig(), threads: 1 }, { out: second, progress: silent });
    expect(manifestOf(first).result_sha256).toBe(manifestOf(second).result_sha256);
    for (const name of ['metrics.jsonl', 'report.txt']) {
      expect(read(first, name).equals(read(second, name)), name).toBe(true);
    }
    const weights = (out: string) =>
      readFileSync(stageFile(out, 'train BCPG-NSA, seed 0', 'policy.safetensors'));
    expect(weights(first).equals(weights(second))).toBe(true);
  });

  it('cut off after any stage ends as if it had not been', async () => {
    const out = path.join(directory, 'whole');
    await run(fileConfig(), { out, progress: silent });
    await cutOffAnywhere(fileConfig(), out);
  });

  it('with an LLM judge relieves only what both judges call right', async () => {
    const wrong = [1, 2, 3].map((index) => ({ index, reason: 'no', recovers: false, verdict: 'wrong' }));
    const { endpoint, requests } = await chatServer(verdicts(wrong));
    const out = path.join(directory, 'llm');
    const config = fileConfig([{ kind: 'arithmetic' }, { kind: 'llm', endpoint, model: 'm' }]);
    await run({ ...config, judge_responses: 'wrong_in_mixed_groups' }, { out, progress: silent });
    expect(requests).toHaveLength(1); // the only response whose verdicts matter
    const rows = await trainRows(out, 'BCPG-NSA');
    expect(rows[1]!.token_weight.every((weight) => weight === 1)).toBe(true);
    for (const name of ['arithmetic', 'llm']) {
      const given = await readAllJsonl(stageFile(out, `judge ${name}`, 'verdicts.jsonl'), StepVerdict);
      expect(given.every(({ rollout_id }) => rollout_id === rows[1]!.rollout_id)).toBe(true);
    }
  });

  it('that is aborted keeps whole files and says so', async () => {
    const out = path.join(directory, 'aborted');
    const controller = new AbortController();
    const progress: Progress = {
      ...silent,
      advance: (label) => label.startsWith('train BCPG-NSA') && controller.abort(),
    };
    await expect(run(fileConfig(), { out, progress, signal: controller.signal })).rejects.toThrow(/abort/i);
    expect(manifestOf(out).status).toBe('interrupted');
    expect(existsSync(stageFile(out, 'train BCPG, seed 0', 'policy.safetensors'))).toBe(true);
    expect(manifestOf(out).stages.some(({ title }) => title === 'train BCPG-NSA, seed 0')).toBe(false);
    await readAllJsonl(stageFile(out, ROLLOUTS, 'rollouts.jsonl'), Rollout);
  });
});

it('a run on the generated task samples, trains and evaluates', async () => {
  const out = path.join(directory, 'generated');
  const config = checkConfig(
    {
      name: 'generated',
      data: { source: 'chains', prompts: 24, samples_per_prompt: 8, operations: 1 },
      segment: { unit: 'line' },
      judges: [{ kind: 'arithmetic', modulus: 13 }, { kind: 'chain' }],
      policy: { ...POLICY, width: 32, mlp_width: 48 },
      warmup: { updates: 250, responses_per_update: 32, lr: 5e-3 },
      train: OPTIMISER,
      methods: METHODS,
      evaluate: { prompts: 10, samples_per_prompt: 2 },
    },
    'test',
  );
  const { seeds } = await run(config, { out, progress: silent });
  expect(seeds[0]!.methods.map(({ method }) => method)).toEqual(['BCPG', 'BCPG-NSA']);
  const evals = await readAllJsonl(path.join(out, 'evals.jsonl'), EvalRow);
  expect(evals).toHaveLength(3 * 2 * 10);
  const rollouts = await readAllJsonl(stageFile(out, 'verify, seed 0', 'rollouts.jsonl'), Rollout);
  expect(rollouts).toHaveLength(24 * 8);
  expect(
    rollouts.every(({ behavior_logprobs: logprobs, response_ids: ids }) => logprobs!.length === ids!.length),
  ).toBe(true);
  await cutOffAnywhere(config, out);
});
