import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { z } from 'zod';
import { LapidaryError } from '../errors.ts';
import type { ParameterKind, Policy } from '../policy/policy.ts';
import { SafetensorsFile, writeSafetensors } from '../policy/safetensors.ts';

/**
 * The state of a training in one safetensors file: weights and AdamW moments as tensors, the rest as JSON in the
 * metadata, and a SHA-256 over both, so that a file is whole or refused.
 */
const FORMAT = 'lapidary-training';
const VERSION = 1;
const KINDS: readonly ParameterKind[] = ['parameters', 'mean', 'variance'];

const count = z.number().int().min(0);
const Record_ = z.record(z.string(), z.unknown());
const Contents = z.object({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  identity: z.object({
    objective: Record_,
    objectiveId: z.string(),
    dataset: z.object({ units: count, responses: count, sha256: z.string() }),
    config: Record_,
    configId: z.string(),
  }),
  /** Counted work so far. */
  updates: count,
  responses: count,
  tokens: count,
  cursor: z.object({ drawn: count, pass: count, position: count, order: z.string() }),
  adamSteps: count,
  metrics: z.object({ bytes: count, sha256: z.string() }).nullable(),
  /** Metrics of the last update, without its seconds. */
  last: z.record(z.string(), z.union([z.number(), z.string()])),
});
export type TrainingContents = Omit<z.infer<typeof Contents>, 'format' | 'version'>;

export interface StoredTraining {
  contents: TrainingContents;
  /** Puts weights, moments and step count into a policy of the same sizes. */
  restore(policy: Policy): void;
}

export async function writeTrainingState(
  path: string,
  policy: Policy,
  contents: TrainingContents,
): Promise<void> {
  const tensors = KINDS.flatMap((kind) =>
    policy.parameters().map(({ name, shape }) => ({
      name: tensorName(kind, name),
      shape,
      read: () => policy.read(kind, name),
    })),
  );
  const text = JSON.stringify({ format: FORMAT, version: VERSION, ...contents });
  const sha256 = digest(text, tensors);
  await writeSafetensors(path, { [FORMAT]: text, sha256 }, tensors);
}

/** Null where there is no file. @throws LapidaryError ERR_LAPIDARY_STATE for one that is not a whole state */
export function readTrainingState(path: string): StoredTraining | null {
  if (!existsSync(path)) return null;
  try {
    const file = new SafetensorsFile(path);
    try {
      return readFrom(file);
    } finally {
      file.close();
    }
  } catch (cause) {
    if (!LapidaryError.isInstance(cause) || cause.code === 'ERR_LAPIDARY_STATE') throw cause;
    throw unusable(path, cause.message.replace(`${path}: `, ''), cause);
  }
}

function readFrom(file: SafetensorsFile): StoredTraining {
  const contents = parse(file);
  const names = [...file.tensors.keys()];
  const tensors = new Map(names.map((name) => [name, file.read(name)]));
  const inOrder = names.map((name) => ({ name, read: () => tensors.get(name)! }));
  if (digest(file.metadata[FORMAT]!, inOrder) !== file.metadata.sha256) {
    throw unusable(file.path, 'its SHA-256 is not that of its contents: the file is damaged');
  }
  const tensor = (kind: ParameterKind, name: string) =>
    tensors.get(tensorName(kind, name)) ?? raise(unusable(file.path, `it has no ${kind} of ${name}`));
  const restore = (policy: Policy) => {
    // All of them are looked up before the first is written.
    const writes = KINDS.flatMap((kind) =>
      policy.parameters().map(({ name }) => ({ kind, name, data: tensor(kind, name) })),
    );
    for (const { kind, name, data } of writes) policy.write(kind, name, data);
    policy.stepCount = contents.adamSteps;
  };
  return { contents, restore };
}

function parse(file: SafetensorsFile): TrainingContents {
  const text = file.metadata[FORMAT];
  if (text === undefined) throw unusable(file.path, 'it is no state of a training');
  let raw: unknown;
  try {
    raw = JSON.parse(text);
  } catch (cause) {
    throw unusable(file.path, 'its metadata is not JSON', cause);
  }
  const { version } = raw as { version?: unknown };
  if (version !== VERSION) {
    throw unusable(file.path, `it has version ${String(version)}; this package reads ${VERSION}`);
  }
  const parsed = Contents.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw unusable(file.path, `${issue.path.join('.')}: ${issue.message}`);
}

function tensorName(kind: ParameterKind, name: string): string {
  return kind === 'parameters' ? name : `adamw.${kind}/${name}`;
}

function digest(text: string, tensors: readonly { name: string; read: () => Float32Array }[]): string {
  const hash = createHash('sha256').update(text);
  for (const { name, read } of tensors) hash.update(`\n${name}\n`).update(read());
  return hash.digest('hex');
}

function unusable(path: string, problem: string, cause?: unknown): LapidaryError {
  return new LapidaryError(
    'ERR_LAPIDARY_STATE',
    `${path}: cannot go on from this training state: ${problem}. Remove it to begin anew.`,
    { argument: 'state', cause },
  );
}

function raise(error: LapidaryError): never {
  throw error;
}
