import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** An array of arrays.bin; kinds are those of Python's array module. */
export interface ArrayEntry {
  kind: 'f' | 'd' | 'i' | 'H' | 'B';
  start: number;
  count: number;
}

export type BatchEntry = { name: string } & Record<
  'cuSeqlens' | 'mask' | 'advantages' | 'tokenAdvantages' | 'logp' | 'old' | 'behaviour' | 'ref',
  ArrayEntry
>;

/** Parameters of a formula, as its Python function names them. */
export type Parameters = Record<string, number | string | boolean | number[]>;

/** One formula on one batch, and what torch says of it. */
export interface PolicyCase {
  formula: string;
  source: string;
  note: string;
  parameters: Parameters;
  batch: string;
  loss: number;
  gradient: ArrayEntry;
}

export interface HeadCase {
  kind: 'token' | 'cross-entropy' | 'chunked-grpo';
  name: string;
  source: string;
  dtype?: 'f32' | 'bf16' | 'f16';
  shape: number[];
  temperature: number;
  softcap: number | null;
  inputs: Record<string, ArrayEntry>;
  expected: { loss: number } & Record<'logp' | 'entropy' | 'dlogits' | 'dhidden' | 'dweight', ArrayEntry>;
  batch?: BatchEntry;
  parameters?: Parameters;
}

/** One batch of rewards, and what each estimator makes of it. */
export interface EstimatorCases
  extends Record<'rewards' | 'second' | 'groups' | 'lengths' | 'mask' | 'cuSeqlens', ArrayEntry> {
  expected: { name: string; source: string; values: ArrayEntry }[];
}

export interface Manifest {
  estimators: EstimatorCases;
  batches: BatchEntry[];
  cases: PolicyCase[];
  heads: HeadCase[];
}

const ARRAYS = { f: Float32Array, d: Float64Array, i: Int32Array, H: Uint16Array, B: Uint8Array } as const;
type ArrayOf<K extends ArrayEntry['kind']> = InstanceType<(typeof ARRAYS)[K]>;

/** The cases that reference.py wrote, read whole: the directory is gone afterwards. */
export class Reference {
  readonly manifest: Manifest;
  readonly #bytes: ArrayBuffer;

  private constructor(manifest: Manifest, bytes: ArrayBuffer) {
    this.manifest = manifest;
    this.#bytes = bytes;
  }

  /** Asynchronous: the test runner must stay reachable while PyTorch starts. */
  static async compute(python: string): Promise<Reference> {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-parity-'));
    try {
      await execute(python, ['-W', 'ignore', 'test/parity/reference.py', directory]);
      const manifest = JSON.parse(readFileSync(path.join(directory, 'manifest.json'), 'utf8')) as Manifest;
      const file = readFileSync(path.join(directory, 'arrays.bin'));
      return new Reference(manifest, new Uint8Array(file).buffer);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }

  array<K extends ArrayEntry['kind']>(entry: ArrayEntry, kind: K): ArrayOf<K> {
    if (entry.kind !== kind)
      throw new TypeError(`array at ${entry.start} is of kind ${entry.kind}, not ${kind}`);
    const bytes = ARRAYS[kind].BYTES_PER_ELEMENT;
    const copy = this.#bytes.slice(entry.start, entry.start + bytes * entry.count);
    return new ARRAYS[kind](copy) as ArrayOf<K>;
  }
}
