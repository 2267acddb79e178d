import { statSync } from 'node:fs';
import path from 'node:path';
import type { z } from 'zod';
import { readAllJsonl, writeJsonlAtomic } from '../../data/jsonl.ts';
import { LapidaryError } from '../../errors.ts';
import { devices } from '../../kernels/device.ts';
import type { Tokenizer } from '../../tokenizer/tokenizer.ts';
import type { RunConfig } from '../config.ts';
import type { Judging } from '../judging.ts';
import type { Progress } from '../progress.ts';
import type { StageRunner } from '../stage.ts';

/** What every stage of a run is given. */
export interface StageContext {
  config: RunConfig;
  runner: StageRunner;
  tokenizer: Tokenizer;
  progress: Progress;
  judging: Judging;
  signal?: AbortSignal;
}

/** Which repetition and iteration a stage is for; the policy of iteration 0 is the common start. */
export interface Place {
  seed: number;
  iteration: number;
}

/** Iterations are counted from 1 where people read them. */
export function placeName({ seed, iteration }: Place): string {
  return iteration === 0 ? `seed ${seed}` : `seed ${seed}, iteration ${iteration + 1}`;
}

/** Sampled and trained numbers are equal bit by bit only within one instruction set. */
export function instructionSet(): string {
  return devices()[0]!.implementation;
}

export async function writeTable(directory: string, name: string, rows: Iterable<object>): Promise<string> {
  const file = `${name}.jsonl`;
  await writeJsonlAtomic(path.join(directory, file), rows);
  return file;
}

/** The rows of a table that a stage wrote; it may have had none to write. */
export async function readTable<T>(directory: string, name: string, schema: z.ZodType<T>): Promise<T[]> {
  const file = path.join(directory, `${name}.jsonl`);
  return statSync(file).size === 0 ? [] : readAllJsonl(file, schema);
}

/** A section that only some commands need. */
export function need<K extends 'policy' | 'warmup' | 'train'>(
  config: RunConfig,
  section: K,
): NonNullable<RunConfig[K]> {
  const found = config[section];
  if (found !== undefined) return found as NonNullable<RunConfig[K]>;
  const problem = `[${section}]: is missing; training needs it`;
  throw new LapidaryError('ERR_LAPIDARY_CONFIG', problem, { argument: section });
}
