import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { z } from 'zod';
import { LapidaryError } from '../errors.ts';

/** A run as a TOML file. Strict: a misspelt key is an error, not a default. */
const positive = z.number().int().positive();
const fraction = z.number().min(0).max(1);

const Data = z.discriminatedUnion('source', [
  /** Stored rollouts: flat rows {prompt, response, gold_answer} or the rollouts table with a prompts file. */
  z.strictObject({ source: z.literal('file'), path: z.string(), prompts: z.string().optional() }),
  /** The generated task: sample `prompts` x `samples_per_prompt` from the warmed-up policy. */
  z.strictObject({
    source: z.literal('chains'),
    prompts: positive,
    samples_per_prompt: positive,
    operations: positive.max(12),
  }),
]);

const Segment = z.strictObject({
  unit: z.enum(['paragraph', 'sentence', 'line']).default('paragraph'),
  min_chars: positive.default(1),
  max_chars: positive.default(2000),
});

const JudgeConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('arithmetic'), modulus: positive.optional() }),
  z.strictObject({ kind: z.literal('chain') }),
  z.strictObject({
    kind: z.literal('llm'),
    endpoint: z.url(),
    model: z.string().min(1),
    /** The environment variable that holds the key; the key itself never enters a file. */
    api_key_env: z.string().optional(),
    include_ground_truth: z.boolean().default(true),
    timeout_seconds: z.number().positive().default(120),
  }),
]);
export type JudgeConfig = z.infer<typeof JudgeConfig>;

const PolicyShape = z.strictObject({
  width: positive,
  layers: positive,
  heads: positive,
  mlp_width: positive,
  max_context: positive,
  /** Prompts are cut to their last tokens. */
  max_prompt: positive,
});

const Optimiser = z.strictObject({
  updates: positive,
  responses_per_update: positive,
  lr: z.number().positive(),
});

const Method = z.strictObject({
  name: z.string().regex(/^[\w.+-]+$/),
  objective: z.enum(['bcpgNsa', 'bcpg', 'reinforce', 'rft', 'grpo']),
  tau: z.number().min(0).optional(),
  clip_low: fraction.optional(),
  clip_high: z.number().min(0).optional(),
  /** The weight of right steps inside wrong responses; 1 is plain BCPG. */
  beta: z.number().min(-1).max(1).default(1),
  /** Whether an error makes the steps after it wrong until one recovers (the paper), or each stands for itself. */
  propagation: z.enum(['propagate', 'local']).default('propagate'),
});
export type Method = z.infer<typeof Method>;

export const RunConfig = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/),
  seed: z.number().int().min(0).default(0),
  threads: z.number().int().min(0).default(0),
  data: Data,
  segment: Segment.prefault({}),
  judges: z.array(JudgeConfig).min(1),
  judge_concurrency: positive.default(16),
  /** Only verdicts on wrong responses of mixed groups change the training; the others cost as much to get. */
  judge_responses: z.enum(['all', 'wrong_in_mixed_groups']).default('all'),
  policy: PolicyShape,
  warmup: Optimiser,
  train: Optimiser,
  /** Seeds of the training order; every method runs once for each. */
  train_seeds: z.array(z.number().int().min(0)).min(1).default([0]),
  methods: z.array(Method).min(1),
  /** Held-out prompts of the generated task. */
  evaluate: z.strictObject({ prompts: positive, samples_per_prompt: positive }).optional(),
});
export type RunConfig = z.infer<typeof RunConfig>;

/**
 * Reads and checks a configuration; every problem names the file and the key. Overrides are `key=value` with a dotted
 * key (`train.lr=1e-3`, `methods.2.beta=0.5`) and a TOML value; a bare word is taken as text.
 */
export function loadConfig(path: string, overrides: readonly string[] = []): RunConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (cause) {
    const line = (cause as { line?: number }).line ?? '?';
    const problem = (cause as Error).message.split('\n')[0];
    throw new LapidaryError('ERR_LAPIDARY_CONFIG', `${path}: line ${line}: ${problem}`, { cause });
  }
  for (const override of overrides) applyOverride(raw as Record<string, unknown>, override);
  const config = checkConfig(raw, path);
  if (config.data.source === 'file') resolvePaths(config.data, dirname(path));
  return config;
}

function applyOverride(raw: Record<string, unknown>, override: string): void {
  const [, key, text] = /^([^=]+)=(.*)$/s.exec(override) ?? [];
  if (key === undefined || text === undefined) {
    throw new LapidaryError('ERR_LAPIDARY_CONFIG', `--set ${override}: expected key=value`);
  }
  const path = key.trim().split('.');
  let place = raw;
  for (const part of path.slice(0, -1)) {
    const next = place[part];
    if (typeof next !== 'object' || next === null) {
      throw new LapidaryError('ERR_LAPIDARY_CONFIG', `--set ${override}: there is no ${part} to set in`);
    }
    place = next as Record<string, unknown>;
  }
  place[path.at(-1)!] = tomlValue(text.trim());
}

function tomlValue(text: string): unknown {
  try {
    return parse(`value = ${text}`).value;
  } catch {
    return text;
  }
}

/** Paths in a configuration are relative to its file, so that it works from any directory. */
function resolvePaths(data: Extract<RunConfig['data'], { source: 'file' }>, directory: string): void {
  data.path = resolve(directory, data.path);
  if (data.prompts !== undefined) data.prompts = resolve(directory, data.prompts);
}

export function checkConfig(raw: unknown, path: string): RunConfig {
  const parsed = RunConfig.safeParse(raw);
  if (parsed.success) return checkTogether(parsed.data, path);
  const issue = parsed.error.issues[0]!;
  const key = issue.path.join('.') || '(top level)';
  throw new LapidaryError('ERR_LAPIDARY_CONFIG', `${path}: ${key}: ${issue.message}`, { argument: key });
}

/** What no single key can tell. */
function checkTogether(config: RunConfig, path: string): RunConfig {
  const problem = (key: string, text: string) =>
    new LapidaryError('ERR_LAPIDARY_CONFIG', `${path}: ${key}: ${text}`, { argument: key });
  const names = config.methods.map((method) => method.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw problem('methods', `the name ${twice} is used twice`);
  if (config.policy.max_prompt >= config.policy.max_context) {
    throw problem('policy.max_prompt', `${config.policy.max_prompt} leaves no room in max_context`);
  }
  if (config.evaluate !== undefined && config.data.source !== 'chains') {
    throw problem('evaluate', 'only the generated task has held-out prompts to evaluate on');
  }
  return config;
}
