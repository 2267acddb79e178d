import { existsSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { contentId } from '../data/ids.ts';
import { makeDirectories } from '../data/make-directories.ts';
import { writeFileAtomic } from '../data/write-atomic.ts';
import { LapidaryError } from '../errors.ts';
import { lockFile } from '../judge/journal-lock.ts';
import { devices } from '../kernels/device.ts';
import type { RunConfig } from './config.ts';
import type { Counts, StageRecord } from './stage.ts';

const MANIFEST = 'manifest.json';

export type RunStatus = 'running' | 'done' | 'partial' | 'interrupted' | 'failed';

export interface ManifestStage {
  title: string;
  kind: string;
  directory: string;
  key: string;
  result: string;
  counts: Counts;
  seconds: number;
  partial?: boolean;
}

/** What a run was, what it was made with, and what each stage gave. */
export interface Manifest {
  lapidary: string;
  status: RunStatus;
  started_at: string;
  ended_at: string | null;
  command: string;
  config: RunConfig;
  input_sha256: string | null;
  node: string;
  machine: { cpu: string | undefined; cores: number; memory_bytes: number; platform: string };
  devices: unknown;
  stages: ManifestStage[];
  /** Hash over the results of all stages: two runs that agree in it agree in every byte they made. */
  result_sha256: string;
}

/**
 * Where a run writes: `stages/` (see StageStore), `manifest.json`, `journal.jsonl` (answers that were paid for),
 * `metrics.jsonl`, `evals.jsonl`, `report.txt`. A directory that holds a run is gone on with; one that holds anything
 * else is refused.
 */
export class RunDirectory {
  readonly root: string;
  readonly #manifest: Manifest;
  readonly #release: () => Promise<void>;

  private constructor(root: string, manifest: Manifest, release: () => Promise<void>) {
    this.root = root;
    this.#manifest = manifest;
    this.#release = release;
  }

  /** One process at a time works in it; the lock of one that was killed is taken over. */
  static async open(
    root: string,
    config: RunConfig,
    options: { command: string; inputSha256: string | null },
  ): Promise<RunDirectory> {
    RunDirectory.checkUsable(root);
    try {
      makeDirectories(path.join(root, 'stages'));
    } catch (cause) {
      const problem = `${root}: cannot be made: ${(cause as Error).message}`;
      throw new LapidaryError('ERR_LAPIDARY_IO', problem, { cause });
    }
    const release = await lockFile(path.join(root, 'run'));
    return new RunDirectory(root, newManifest(config, options), release);
  }

  /** Refuses a place that holds something other than a run, before any work is done for it. */
  static checkUsable(root: string): void {
    if (!existsSync(root) || readdirSync(root).length === 0 || existsSync(path.join(root, 'stages'))) return;
    const problem = `${root}: holds files that are not a run's; name another directory with --out, or move them away`;
    throw new LapidaryError('ERR_LAPIDARY_IO', problem);
  }

  get stages(): string {
    return path.join(this.root, 'stages');
  }

  get manifest(): Readonly<Manifest> {
    return this.#manifest;
  }

  file(name: string): string {
    return path.join(this.root, name);
  }

  /** Called as stages are done, whether now or by an earlier run. */
  async stageDone(record: StageRecord, directory: string): Promise<void> {
    const { title, kind, key, result, counts, seconds, partial } = record;
    // What several seeds or methods share is listed once.
    if (this.#manifest.stages.some((stage) => stage.key === key && stage.title === title)) return;
    const stage = {
      title,
      kind,
      directory: path.relative(this.root, directory),
      key,
      result,
      counts,
      seconds,
    };
    this.#manifest.stages.push(partial === true ? { ...stage, partial } : stage);
    await this.#write();
  }

  async finish(status: RunStatus): Promise<void> {
    this.#manifest.status = status;
    this.#manifest.ended_at = new Date().toISOString();
    await this.#write();
  }

  release(): Promise<void> {
    return this.#release();
  }

  async #write(): Promise<void> {
    const results = this.#manifest.stages.map(({ title, result }) => [title, result]);
    this.#manifest.result_sha256 = contentId(results);
    await writeFileAtomic(this.file(MANIFEST), `${JSON.stringify(this.#manifest, null, 2)}\n`);
  }
}

function newManifest(config: RunConfig, options: { command: string; inputSha256: string | null }): Manifest {
  return {
    lapidary: packageVersion(),
    status: 'running',
    started_at: new Date().toISOString(),
    ended_at: null,
    command: options.command,
    config,
    input_sha256: options.inputSha256,
    node: process.version,
    machine: {
      cpu: os.cpus()[0]?.model,
      cores: os.availableParallelism(),
      memory_bytes: os.totalmem(),
      platform: `${process.platform}-${process.arch}`,
    },
    devices: devices(),
    stages: [],
    result_sha256: contentId([]),
  };
}

export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

export function readManifest(root: string): Manifest {
  const file = path.join(root, MANIFEST);
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  } catch (cause) {
    const problem = `${file}: cannot be read: ${(cause as Error).message}; expected a run directory`;
    throw new LapidaryError('ERR_LAPIDARY_IO', problem, { cause });
  }
}
