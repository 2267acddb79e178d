import { readFileSync } from 'node:fs';
import path from 'node:path';
import { writeJsonlAtomic } from '../data/jsonl.ts';
import type { EvalRow } from '../data/records.ts';
import { writeFileAtomic } from '../data/write-atomic.ts';
import { chainTokenizer } from '../tasks/chain-task.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { RunConfig } from './config.ts';
import { Judging } from './judging.ts';
import { pipeline, type SeedOutcome, type StageName } from './pipeline.ts';
import type { Progress } from './progress.ts';
import { reportMethods } from './report-methods.ts';
import { reportPrepared } from './report-prepared.ts';
import { type Manifest, RunDirectory } from './run-directory.ts';
import type { Handle } from './stage.ts';
import { StageStore } from './stage-store.ts';
import type { StageContext } from './stages/context.ts';
import { openSource, type Source, tokenizerOf } from './stages/import.ts';

export interface RunOptions {
  /** The run directory. One that holds a run already is gone on with. */
  out: string;
  progress: Progress;
  /** The last stage wanted; default 'evaluate'. */
  until?: StageName;
  /** Asked before each seed but the first, with the seconds of the one before; false ends the run there. */
  goOn?: (seconds: number) => boolean;
  signal?: AbortSignal;
}

export interface RunSummary {
  manifest: Manifest;
  seeds: SeedOutcome[];
  /** False where counted work is missing: judge calls that failed, a spend cap. */
  complete: boolean;
}

/**
 * The whole pipeline, or its first stages. Each stage is kept by the content of what goes into it: run again, it is
 * skipped; cut off, it is gone on with; and the end is the same to the bit.
 */
export async function run(config: RunConfig, options: RunOptions): Promise<RunSummary> {
  const { until = 'evaluate', signal } = options;
  RunDirectory.checkUsable(options.out);
  const { tokenizer, source } = await openInputs(config, options.progress);
  // Rows are read and checked before a directory is made for them.
  if (source !== null) await source.read();
  const directory = await RunDirectory.open(options.out, config, {
    command: until,
    inputSha256: source?.sha256 ?? null,
  });
  const lines: string[] = [];
  const progress = recording(options.progress, lines);
  const judging = new Judging(directory.file('journal.jsonl'), config);
  try {
    const runner = new StageStore({
      root: directory.stages,
      onStart: (title) => progress.status(title),
      onDone: (record, place) => directory.stageDone(record, place),
      ...(signal ? { signal } : {}),
    });
    const context: StageContext = {
      ...{ config, runner, tokenizer, progress, judging },
      ...(signal ? { signal } : {}),
    };
    const seeds = await pipeline({
      ...{ context, until, source },
      ...(options.goOn ? { goOn: options.goOn } : {}),
      onSeed: (outcome) => reportPrepared(outcome, context),
    });
    await writeTables(directory, seeds);
    await reportMethods(seeds, context);
    await writeFileAtomic(directory.file('report.txt'), `${lines.join('\n')}\n`);
    const complete = directory.manifest.stages.every((stage) => stage.partial !== true);
    await directory.finish(complete ? 'done' : 'partial');
    return { manifest: directory.manifest, seeds, complete };
  } catch (error) {
    await directory.finish(signal?.aborted ? 'interrupted' : 'failed');
    throw error;
  } finally {
    await judging.close();
    await directory.release();
  }
}

export async function openInputs(
  config: RunConfig,
  progress: Progress,
): Promise<{ tokenizer: Tokenizer; source: Source | null }> {
  if (config.data.source === 'chains') return { tokenizer: chainTokenizer, source: null };
  const tokenizer = tokenizerOf(config.data);
  return { tokenizer, source: await openSource(config.data, tokenizer, progress) };
}

/** The updates of all trainings in one file, and all evaluations in another. */
async function writeTables(directory: RunDirectory, seeds: readonly SeedOutcome[]): Promise<void> {
  const trained = seeds.flatMap(({ methods }) => methods).filter(({ policy }) => policy !== null);
  if (trained.length === 0) return;
  await writeJsonlAtomic(directory.file('metrics.jsonl'), metricRows(directory));
  const evals: EvalRow[] = [];
  const add = async (handle: Handle<EvalRow[]> | null) => {
    for (const row of (await handle?.value()) ?? []) evals.push({ ...row, run_id: handle!.title });
  };
  for (const { base, methods } of seeds) {
    await add(base?.evals ?? null);
    for (const method of methods) await add(method.evals);
  }
  if (evals.length > 0) await writeJsonlAtomic(directory.file('evals.jsonl'), evals);
}

function* metricRows(directory: RunDirectory): Generator<object> {
  for (const { title, kind, directory: place } of directory.manifest.stages) {
    if (kind !== 'train') continue;
    const text = readFileSync(path.join(directory.root, place, 'metrics.jsonl'), 'utf8');
    for (const line of text.trimEnd().split('\n')) yield { stage: title, ...(JSON.parse(line) as object) };
  }
}

/** What is reported is kept, too. */
function recording(progress: Progress, lines: string[]): Progress {
  return {
    ...progress,
    line(text) {
      lines.push(text);
      progress.line(text);
    },
  };
}
