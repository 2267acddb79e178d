import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { contentId } from '../data/ids.ts';
import { makeDirectories } from '../data/make-directories.ts';
import { writeFileAtomic } from '../data/write-atomic.ts';
import { LapidaryError } from '../errors.ts';
import {
  directoryName,
  type Handle,
  keyOf,
  once,
  type StageRecord,
  type StageRunner,
  type StageSpec,
} from './stage.ts';

const MARKER = 'done.json';

/**
 * Stages keyed by content: a stage whose key (kind, version, settings, results before it) has a finished directory is
 * not run again. The marker `done.json` is written last, so that a directory without it is an attempt that was cut
 * off; its files are the stage's own to resume from.
 */
export class StageStore implements StageRunner {
  readonly #root: string;
  readonly #onDone: (record: StageRecord, directory: string, cached: boolean) => Promise<void>;
  readonly #onStart: (title: string) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(options: {
    root: string;
    onStart?: (title: string) => void;
    onDone: (record: StageRecord, directory: string, cached: boolean) => Promise<void>;
    signal?: AbortSignal;
  }) {
    this.#root = options.root;
    this.#onStart = options.onStart ?? (() => {});
    this.#onDone = options.onDone;
    this.#signal = options.signal;
  }

  async stage<T>(spec: StageSpec<T>): Promise<Handle<T>> {
    this.#signal?.throwIfAborted();
    const key = keyOf(spec);
    if (key === null) throw new TypeError(`${spec.title}: a stage before it has no result`);
    const directory = path.join(this.#root, directoryName(spec.kind, key));
    const before = await readRecord(directory);
    if (before !== null && before.partial !== true) {
      await this.#onDone({ ...before, title: spec.title }, directory, true);
      const value = once(() => checkOutputs(directory, before).then(() => spec.load(directory)));
      return { title: spec.title, result: before.result, record: before, value };
    }
    this.#onStart(spec.title);
    makeDirectory(directory);
    const started = performance.now();
    const { files, counts, partial } = await spec.compute(directory);
    const outputs: Record<string, string> = {};
    for (const file of [...files].sort()) outputs[file] = await sha256Of(path.join(directory, file));
    const record: StageRecord = {
      ...{ kind: spec.kind, title: spec.title, key, outputs, result: contentId(outputs), counts },
      ...(partial === true ? { partial } : {}),
      seconds: Number(((performance.now() - started) / 1000).toFixed(3)),
      finished_at: new Date().toISOString(),
    };
    await writeFileAtomic(path.join(directory, MARKER), `${JSON.stringify(record, null, 2)}\n`);
    await this.#onDone(record, directory, false);
    return { title: spec.title, result: record.result, record, value: once(() => spec.load(directory)) };
  }
}

export async function readRecord(directory: string): Promise<StageRecord | null> {
  const file = path.join(directory, MARKER);
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as StageRecord;
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_DATA', `${file}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** A file that was changed since would silently become another result. */
export async function checkOutputs(directory: string, record: StageRecord): Promise<void> {
  for (const [file, expected] of Object.entries(record.outputs)) {
    const place = path.join(directory, file);
    const found = existsSync(place) ? await sha256Of(place) : 'missing';
    if (found === expected) continue;
    const what = found === 'missing' ? 'is missing' : 'was changed since it was written';
    throw new LapidaryError(
      'ERR_LAPIDARY_DATA',
      `${place}: ${what}; delete ${directory} to have it made again`,
    );
  }
}

export async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_IO', `${file}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  return hash.digest('hex');
}

function makeDirectory(directory: string): void {
  try {
    makeDirectories(directory);
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_IO', `${directory}: cannot be made: ${(cause as Error).message}`, {
      cause,
    });
  }
}
