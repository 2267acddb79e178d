import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { LapidaryError } from '../errors.ts';
import { RunConfig } from './config.ts';
import { isPaid, judgeName, pricesOf } from './judge-config.ts';
import { knownKeys, nearest } from './nearest-key.ts';
import { objectiveOf } from './objective-of.ts';

/**
 * Reads and checks a configuration; every problem names the file and the key. Overrides are `key=value` with a dotted
 * key (`train.lr=1e-3`, `methods.2.beta=0.5`) and a TOML value; a bare word is taken as text.
 * @throws LapidaryError ERR_LAPIDARY_IO, ERR_LAPIDARY_CONFIG
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
  resolvePaths(config, dirname(path));
  return config;
}

/** `[segment]` without a kind means the rules. */
function withRules(raw: unknown): unknown {
  const segment = (raw as { segment?: unknown } | null)?.segment;
  if (typeof segment !== 'object' || segment === null || 'kind' in segment) return raw;
  return { ...(raw as object), segment: { kind: 'rules', ...segment } };
}

function applyOverride(raw: Record<string, unknown>, override: string): void {
  const [, key, text] = /^([^=]+)=(.*)$/s.exec(override) ?? [];
  if (key === undefined || text === undefined) {
    throw new LapidaryError('ERR_LAPIDARY_CONFIG', `-o ${override}: expected key=value`);
  }
  const path = key.trim().split('.');
  let place = raw;
  for (const part of path.slice(0, -1)) {
    // A section that the file leaves out can be begun by an override; a misspelt one is named by the schema.
    if (!Array.isArray(place) && place[part] === undefined) place[part] = {};
    const next = place[part];
    if (typeof next !== 'object' || next === null) {
      throw new LapidaryError('ERR_LAPIDARY_CONFIG', `-o ${override}: there is no ${part} to set in`);
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
function resolvePaths({ data, segment }: RunConfig, directory: string): void {
  if (segment.kind === 'sat') {
    segment.model = resolve(directory, segment.model);
    segment.model_tokenizer = resolve(directory, segment.model_tokenizer);
  }
  if (data.source !== 'file') return;
  data.path = resolve(directory, data.path);
  if (data.prompts !== undefined) data.prompts = resolve(directory, data.prompts);
  if (data.tokenizer !== undefined) data.tokenizer = resolve(directory, data.tokenizer);
}

export function checkConfig(raw: unknown, path: string): RunConfig {
  const parsed = RunConfig.safeParse(withRules(raw));
  if (parsed.success) return checkTogether(parsed.data, path);
  const issue = parsed.error.issues[0]!;
  const place = issue.path.join('.');
  if (issue.code !== 'unrecognized_keys') throw configError(path, place || '(top level)', issue.message);
  const wrong = issue.keys[0]!;
  const known = knownKeys(RunConfig, issue.path, withRules(raw));
  const near = nearest(wrong, known);
  const advice = near === null ? `known here: ${known.join(', ')}` : `did you mean ${near}?`;
  throw configError(path, [place, wrong].filter(Boolean).join('.'), `unknown key; ${advice}`);
}

function configError(path: string, key: string, text: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_CONFIG', `${path}: ${key}: ${text}`, { argument: key });
}

/** What no single key can tell. */
function checkTogether(config: RunConfig, path: string): RunConfig {
  checkUnique(
    path,
    'methods',
    config.methods.map(({ name }) => name),
  );
  const judges = config.judges.map(judgeName);
  checkUnique(path, 'judges', judges);
  for (const [i, method] of config.methods.entries()) {
    try {
      objectiveOf(method);
    } catch (error) {
      throw configError(path, `methods.${i}.objective`, (error as Error).message);
    }
    const stray = method.judges?.find((name) => !judges.includes(name));
    if (stray === undefined) continue;
    const near = nearest(stray, judges);
    const advice = near === null ? `judges: ${judges.join(', ') || 'none'}` : `did you mean ${near}?`;
    throw configError(path, `methods.${i}.judges`, `no judge is named ${stray}; ${advice}`);
  }
  const names = config.methods.map(({ name }) => name);
  for (const name of config.evaluate?.against ?? []) {
    if (!names.includes(name)) throw configError(path, 'evaluate.against', `no method is named ${name}`);
  }
  for (const [i, judge] of config.judges.entries()) {
    if (judge.kind !== 'llm' || judge.after === undefined) continue;
    const before = judges.slice(0, i);
    if (before.includes(judge.after)) continue;
    throw configError(
      path,
      `judges.${i}.after`,
      `expected a judge listed before: ${before.join(', ') || 'none is'}`,
    );
  }
  checkPrices(config, path);
  const iterates = config.iterations > 1 || config.methods.some(({ iterations = 1 }) => iterations > 1);
  const { policy, data } = config;
  if (policy !== undefined && policy.max_prompt >= policy.max_context) {
    throw configError(path, 'policy.max_prompt', `${policy.max_prompt} leaves no room in max_context`);
  }
  if (config.evaluate !== undefined && data.source !== 'chains') {
    throw configError(path, 'evaluate', 'only the generated task has held-out prompts to evaluate on');
  }
  if (iterates && data.source !== 'chains') {
    throw configError(
      path,
      'iterations',
      'stored rollouts cannot be sampled again; only the generated task iterates',
    );
  }
  const needsPolicy = config.judges.findIndex((judge) => judge.kind === 'monte_carlo');
  if (needsPolicy >= 0 && data.source !== 'chains') {
    throw configError(
      path,
      `judges.${needsPolicy}`,
      'the policy that sampled stored rollouts is not at hand to continue them',
    );
  }
  return config;
}

/** A price that is half set, or missing under a cap, would let calls go unpriced and the cap unheld. */
function checkPrices({ judges, judge_max_usd: cap }: RunConfig, path: string): void {
  for (const [i, judge] of judges.entries()) {
    if (!isPaid(judge) || pricesOf(judge) !== null) continue;
    const { input_price, output_price, cached_input_price } = judge;
    const some = [input_price, output_price, cached_input_price].some((price) => price !== undefined);
    if (!some && cap === undefined) continue;
    const missing = input_price === undefined ? 'input_price' : 'output_price';
    const why = some
      ? 'another price is set'
      : 'judge_max_usd cannot be held without prices; calls to a server of your own may cost 0';
    throw configError(path, `judges.${i}.${missing}`, `is missing: ${why}`);
  }
}

function checkUnique(path: string, key: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw configError(path, key, `the name ${twice} is used twice`);
}
