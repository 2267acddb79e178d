import { contentId } from '../data/ids.ts';

/** What a stage leaves behind when it is done; `done.json` holds it. */
export interface StageRecord {
  kind: string;
  /** Whom it was done for, in words: "judge checker, seed 0". Not part of the key. */
  title: string;
  key: string;
  /** SHA-256 of every file the stage wrote, by name. */
  outputs: Record<string, string>;
  /** Hash of the outputs: what later stages build their keys from. */
  result: string;
  /** Rows in and out, drop reasons and whatever else is worth a line in the manifest. */
  counts: Counts;
  /** True where part of the work is missing (failed judge calls, a spend cap): done again when asked for again. */
  partial?: boolean;
  seconds: number;
  finished_at: string;
}

export type Counts = { [name: string]: number | string | null | Counts };

/** A stage that is done, or known to be due. */
export interface Handle<T> {
  readonly title: string;
  /** Null in a plan, where a stage before has not run. */
  readonly result: string | null;
  readonly record: StageRecord | null;
  /** What the stage gives, read from its files, once. */
  value(): Promise<T>;
}

/** What is known of the work of a stage before it is done. */
export interface Estimate {
  calls: number;
  promptTokens: number;
  completionTokens: number;
  /** Null where no price is configured. */
  usd: number | null;
}

export interface StageSpec<T> {
  /** Names the directory: "judge", "train". */
  kind: string;
  title: string;
  /** Raised when the stage's code changes what it writes. */
  version: number;
  /** The part of the configuration that decides what comes out. */
  settings: unknown;
  inputs: readonly Handle<unknown>[];
  /** Does the work and writes its files into `directory`, which may hold what an interrupted attempt left. */
  compute(directory: string): Promise<StageOutcome>;
  /**
   * What the stage gives, read from its files: the only way to it, so that a run which was cut off after the stage goes
   * on with the very same rows, down to the order of their fields, as one that was not.
   */
  load(directory: string): Promise<T>;
  /** Cheap enough to be done for a plan. */
  cheap?: boolean;
  estimate?(): Promise<Estimate | null>;
}

export interface StageOutcome {
  /** Names of the files written, relative to the directory. */
  files: readonly string[];
  counts: Counts;
  partial?: boolean;
}

/** Runs stages, or only says what would run. */
export interface StageRunner {
  stage<T>(spec: StageSpec<T>): Promise<Handle<T>>;
}

/** The content key of a stage; null where the result of a stage before is not known yet. */
export function keyOf(
  spec: Pick<StageSpec<unknown>, 'kind' | 'version' | 'settings' | 'inputs'>,
): string | null {
  const inputs = spec.inputs.map((input) => input.result);
  if (inputs.includes(null)) return null;
  return contentId({ kind: spec.kind, version: spec.version, settings: spec.settings, inputs });
}

export function directoryName(kind: string, key: string): string {
  return `${kind}-${key.slice(0, 16)}`;
}

/** A value read at most once. */
export function once<T>(read: () => Promise<T>): () => Promise<T> {
  let value: Promise<T> | null = null;
  return () => {
    value ??= read();
    return value;
  };
}
