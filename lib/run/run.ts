import { createHash } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import os from 'node:os';
import type { TrainRow } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { devices } from '../kernels/device.ts';
import { trainingView } from '../label/training-view.ts';
import { savePolicy } from '../policy/checkpoint.ts';
import type { Policy } from '../policy/policy.ts';
import { addReferenceLogprobs, type Example, examplesOf } from '../train/examples.ts';
import type { RunConfig } from './config.ts';
import { type Inputs, newPolicy, readInputs } from './inputs.ts';
import { labelFor } from './labels.ts';
import { type Prepared, prepare } from './prepare.ts';
import type { Progress } from './progress.ts';
import { reportMethods } from './report-methods.ts';
import { reportPrepared } from './report-prepared.ts';
import { RunDirectory } from './run-directory.ts';
import {
  type BaseEvaluation,
  cutToPolicy,
  evalRows,
  evaluatePolicy,
  type MethodResult,
  runMethod,
} from './run-method.ts';
import { warmUp } from './warm-up.ts';

export interface RunOptions {
  /** The run directory; must not hold files. */
  out: string;
  progress: Progress;
  signal?: AbortSignal;
}

export interface RunSummary {
  prepared: Prepared;
  base: BaseEvaluation;
  results: MethodResult[];
}

/** The whole pipeline: inputs, verify, segment, judge, label, then train and evaluate each method. */
export async function run(config: RunConfig, options: RunOptions): Promise<RunSummary> {
  RunDirectory.checkFree(options.out);
  const { progress, signal } = options;
  const inputs = await readInputs(config, progress, signal);
  const prepared = await prepare({ config, ...inputs, progress, ...(signal ? { signal } : {}) });
  const rows = labelFor(config.methods[0]!, prepared);
  reportPrepared(prepared, config, progress);
  if (trainingView(rows).length === 0) {
    throw new LapidaryError(
      'ERR_LAPIDARY_DATA',
      'no group is mixed (right and wrong): there is nothing to train on',
    );
  }
  const directory = new RunDirectory(options.out);
  const manifest = await openManifest(config, prepared, directory);
  try {
    const summary = await trainMethods({ config, inputs, prepared, directory, ...options });
    await directory.json('manifest.json', {
      ...manifest,
      status: 'done',
      ended_at: new Date().toISOString(),
    });
    return summary;
  } catch (error) {
    const status = signal?.aborted ? 'interrupted' : 'failed';
    await directory.json('manifest.json', { ...manifest, status, ended_at: new Date().toISOString() });
    throw error;
  }
}

async function openManifest(config: RunConfig, prepared: Prepared, directory: RunDirectory) {
  await directory.table('prompts', prepared.prompts.values());
  await directory.table('rollouts', prepared.rollouts);
  await directory.table('steps', prepared.steps);
  await directory.table('verdicts', prepared.verdicts);
  const manifest = {
    status: 'running',
    started_at: new Date().toISOString(),
    config,
    input_sha256: config.data.source === 'file' ? await sha256Of(config.data.path) : null,
    lapidary: JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
      .version as string,
    node: process.version,
    machine: { cpu: os.cpus()[0]?.model, cores: os.availableParallelism(), platform: process.platform },
    devices: devices(),
    counts: {
      prompts: prepared.prompts.size,
      rollouts: prepared.rollouts.length,
      steps: prepared.steps.length,
      verdicts: prepared.verdicts.length,
      verify: prepared.verifyCounts,
    },
  };
  await directory.json('manifest.json', manifest);
  return manifest;
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

interface TrainInput extends RunOptions {
  config: RunConfig;
  inputs: Inputs;
  prepared: Prepared;
  directory: RunDirectory;
}

async function trainMethods(input: TrainInput): Promise<RunSummary> {
  const { config, inputs, prepared, directory, progress } = input;
  const signal = input.signal ? { signal: input.signal } : {};
  const base = inputs.base ?? (await warmUpOnRight(input));
  await savePolicy(base, directory.file('policy-base.safetensors'));
  const { tokenizer, heldOut } = inputs;
  const baseEvaluation = await evaluatePolicy({
    config,
    policy: base,
    tokenizer,
    heldOut,
    runId: 'base',
    ...signal,
  });
  const evals = evalRows(baseEvaluation);
  const results: MethodResult[] = [];
  for (const method of config.methods) {
    const rows = labelFor(method, prepared);
    await directory.table(`train-${method.name}`, rows);
    const examples = await methodExamples(input, base, rows);
    for (const trainSeed of config.train_seeds) {
      const result = await runMethod({
        ...{ config, method, examples, base, tokenizer, heldOut, trainSeed, directory, progress, ...signal },
      });
      evals.push(...evalRows(result));
      const suffix = config.train_seeds.length > 1 ? `-${trainSeed}` : '';
      await savePolicy(result.policy, directory.file(`policy-${method.name}${suffix}.safetensors`));
      results.push(result);
    }
  }
  if (evals.length > 0) await directory.table('evals', evals);
  reportMethods({ config, base: baseEvaluation, results, progress });
  return { prepared, base: baseEvaluation, results };
}

/** The examples of a method, cut to the policy, with the reference its constraint is anchored on. */
async function methodExamples(input: TrainInput, base: Policy, rows: TrainRow[]): Promise<Example[]> {
  const { config, inputs, prepared, progress } = input;
  const byId = new Map(prepared.rollouts.map((rollout) => [rollout.rollout_id, rollout]));
  const { examples, cut, tokensBefore, tokensAfter } = cutToPolicy(
    config,
    examplesOf(trainingView(rows), byId),
  );
  if (cut > 0) {
    const share = ((100 * tokensAfter) / tokensBefore).toFixed(0);
    progress.line(
      `fit       ${cut} of ${examples.length} responses cut to the policy's ${config.policy.max_context} tokens; ` +
        `${tokensAfter} of ${tokensBefore} tokens (${share} %) are trained on`,
    );
  }
  // The run's own sampler is the reference, and recorded its log-probs to the bit.
  if (inputs.base !== null) {
    return examples.map((example) => ({ ...example, refLogprobs: example.behaviourLogprobs }));
  }
  return addReferenceLogprobs(base, examples, input.signal ? { signal: input.signal } : {});
}

/** Without a sampler of our own, the policy is first warmed up on the right responses. */
async function warmUpOnRight(input: TrainInput): Promise<Policy> {
  const { config, inputs, prepared, progress } = input;
  const policy = newPolicy(config, inputs.tokenizer);
  const right = prepared.rollouts.filter((rollout) => rollout.verdict === 'right');
  const rows = right.map((rollout) => ({
    ...{ rollout_id: rollout.rollout_id, group_id: rollout.group_id, advantage: 1, drop_reason: null },
    token_weight: rollout.response_ids!.map(() => 1),
  }));
  const byId = new Map(right.map((rollout) => [rollout.rollout_id, rollout]));
  const { examples } = cutToPolicy(config, examplesOf(rows, byId));
  await warmUp({ config, policy, examples, progress, ...(input.signal ? { signal: input.signal } : {}) });
  return policy;
}
