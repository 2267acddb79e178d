import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { makeDirectories } from '../data/make-directories.ts';
import { writeFileAtomic } from '../data/write-atomic.ts';
import { LapidaryError } from '../errors.ts';
import { fromLlamaConfig, toLlamaConfig } from './llama-config.ts';
import { Policy, type PolicyConfig, type PolicyOptions } from './policy.ts';
import { fileError, SafetensorsFile, tensorError, writeSafetensors } from './safetensors.ts';

const WEIGHTS = 'model.safetensors';
const CONFIG = 'config.json';
const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';

/**
 * Weights as one safetensors file with Hugging Face Llama names in F32. The policy's sizes travel in `__metadata__`.
 * @throws LapidaryError ERR_LAPIDARY_IO
 */
export async function savePolicy(policy: Policy, file: string): Promise<void> {
  // transformers refuses a file that does not say what framework it is for.
  const metadata = { format: 'pt', lapidary_config: JSON.stringify(policy.config) };
  const tensors = policy
    .parameters()
    .map(({ name, shape }) => ({ name, shape, read: () => policy.read('parameters', name) }));
  await writeSafetensors(file, metadata, tensors);
}

/**
 * The same as a folder that transformers loads as a LlamaForCausalLM: model.safetensors and config.json.
 * @throws LapidaryError ERR_LAPIDARY_IO
 */
export async function savePolicyDirectory(policy: Policy, directory: string): Promise<void> {
  try {
    makeDirectories(directory);
  } catch (cause) {
    throw readError(directory, 'made', cause);
  }
  await savePolicy(policy, path.join(directory, WEIGHTS));
  await writeFileAtomic(
    path.join(directory, CONFIG),
    `${JSON.stringify(toLlamaConfig(policy.config), null, 2)}\n`,
  );
}

/**
 * A policy from a file of `savePolicy`, or from a LlamaForCausalLM of transformers: a folder with config.json and
 * model.safetensors, or that file with config.json beside it. Tensors may be F32, BF16 or F16.
 * @throws LapidaryError ERR_LAPIDARY_IO; ERR_LAPIDARY_DATA with the file and the tensor or field at fault
 */
export function loadPolicy(source: string, options: PolicyOptions = {}): Policy {
  const folder = statSync(source, { throwIfNoEntry: false })?.isDirectory() ?? false;
  const target = folder ? path.join(source, WEIGHTS) : source;
  if (folder && !existsSync(target) && existsSync(`${target}.index.json`)) {
    throw new LapidaryError(
      'ERR_LAPIDARY_DATA',
      `${source}: its weights are in several files; expected ${WEIGHTS}`,
    );
  }
  const file = new SafetensorsFile(target);
  try {
    const own = folder ? undefined : file.metadata.lapidary_config;
    return own === undefined
      ? fill(file, configBeside(file), path.join(path.dirname(target), CONFIG), options)
      : fill(file, parseConfig(target, own) as PolicyConfig, target, options);
  } finally {
    file.close();
  }
}

function configBeside(file: SafetensorsFile): PolicyConfig {
  const place = path.join(path.dirname(file.path), CONFIG);
  let text: string;
  try {
    text = readFileSync(place, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw readError(place, 'read', cause);
    throw fileError(file.path, `no lapidary_config in __metadata__, and no ${CONFIG} beside it`);
  }
  return fromLlamaConfig(place, parseConfig(place, text));
}

function parseConfig(place: string, text: string): unknown {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_DATA', `${place}: the configuration is not JSON`, { cause });
  }
  if (typeof config === 'object' && config !== null) return config;
  throw new LapidaryError('ERR_LAPIDARY_DATA', `${place}: the configuration is no JSON object`);
}

/** `configPlace` is the file that the configuration is from. */
function fill(
  file: SafetensorsFile,
  config: PolicyConfig,
  configPlace: string,
  options: PolicyOptions,
): Policy {
  checkSizes(file, config);
  const policy = construct(config, configPlace, options);
  try {
    const parameters = policy.parameters();
    checkNames(file, new Set(parameters.map(({ name }) => name)), policy.config.tiedHead);
    for (const { name, shape } of parameters) {
      checkShape(file, name, shape);
      policy.write('parameters', name, file.read(name));
    }
    return policy;
  } catch (error) {
    policy.dispose();
    throw error;
  }
}

/** Before any memory is taken: the sizes of the configuration are those of tensors that the file holds. */
function checkSizes(file: SafetensorsFile, config: PolicyConfig): void {
  const { vocab, width, layers, mlpWidth } = config;
  checkShape(file, EMBEDDING, [vocab, width]);
  checkShape(file, 'model.layers.0.mlp.up_proj.weight', [mlpWidth, width]);
  checkShape(file, `model.layers.${layers - 1}.mlp.up_proj.weight`, [mlpWidth, width]);
}

function checkShape(file: SafetensorsFile, name: string, shape: number[]): void {
  const entry = file.tensors.get(name);
  if (entry === undefined) throw tensorError(file.path, name, 'is missing');
  if (entry.shape.join() === shape.join()) return;
  throw tensorError(file.path, name, `is [${entry.shape}]; the configuration makes it [${shape}]`);
}

function checkNames(file: SafetensorsFile, expected: ReadonlySet<string>, tied: boolean): void {
  for (const name of file.tensors.keys()) {
    // Older transformers saved the angles' frequencies, which follow from the configuration.
    if (expected.has(name) || name.endsWith('.rotary_emb.inv_freq')) continue;
    if (tied && name === HEAD) checkTied(file);
    else throw tensorError(file.path, name, 'is no part of this model');
  }
}

/** A file may hold the shared matrix twice, but not two matrices. */
function checkTied(file: SafetensorsFile): void {
  const embedding = file.read(EMBEDDING);
  const head = file.read(HEAD);
  if (head.length === embedding.length && head.every((value, i) => Object.is(value, embedding[i]))) return;
  throw tensorError(file.path, HEAD, `differs from ${EMBEDDING}, which the configuration ties it to`);
}

const OPTION = /^(options\.|(seed|threads|implementation)$)/;

/** What the policy refuses is the file's fault, unless it is an option of the caller. */
function construct(config: PolicyConfig, place: string, options: PolicyOptions): Policy {
  try {
    return new Policy(config, options);
  } catch (cause) {
    if (!LapidaryError.isInstance(cause) || cause.code !== 'ERR_LAPIDARY_ARGUMENT') throw cause;
    if (cause.argument === undefined || OPTION.test(cause.argument)) throw cause;
    const { argument } = cause;
    throw new LapidaryError('ERR_LAPIDARY_DATA', `${place}: ${cause.message}`, { argument, cause });
  }
}

function readError(place: string, verb: string, cause: unknown): LapidaryError {
  const message = `${place}: cannot be ${verb}: ${(cause as Error).message}`;
  return new LapidaryError('ERR_LAPIDARY_IO', message, { cause });
}
