import type { Prompt, Rollout, Step, StepVerdict } from '../data/records.ts';
import { forEachBounded } from './bounded-pool.ts';
import type { Judge, JudgeUsage } from './judge.ts';
import type { JudgeCounts } from './judge-counts.ts';
import type { JudgeJournal } from './judge-journal.ts';
import { type AskedSteps, judgeTasks } from './judge-tasks.ts';
import { JudgingRun } from './judging-run.ts';

export interface JudgeRolloutsOptions {
  /** Only these are judged; callers choose (wrong responses of mixed groups, or all). */
  rollouts: readonly Rollout[];
  prompts: readonly Prompt[];
  /** One segmentation of every rollout, in any order; those of other rollouts are left alone. */
  steps: readonly Step[];
  judges: readonly Judge[];
  /** The positions that a judge is to judge, where not all: a cascade asks the dear judge what the cheap one let pass. */
  asked?: AskedSteps;
  /** Judge calls under way at once. Default 8. */
  concurrency?: number;
  /**
   * What is in it is not asked again; what comes is written to it before it counts. Responses of the same content are
   * asked about once. If a judge throws, calls under way are left to finish, so that what they cost is kept.
   */
  journal?: JudgeJournal;
  /** Whether steps that the journal has no verdict on because a judge could not be asked are asked again. Default true. */
  retryFailed?: boolean;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface JudgedRollouts {
  /** Intrinsic verdicts, ordered by rollout, judge and step as given, whatever finished first. */
  verdicts: StepVerdict[];
  /** By judge id, of the calls made now. `seconds` adds up time of calls that may have run side by side. */
  usage: Record<string, JudgeUsage>;
  /** By judge id. */
  counts: Record<string, JudgeCounts>;
  /** 'spend-cap': some responses were not asked about for want of money; they abstain, and a later run asks them. */
  stopped: 'spend-cap' | null;
}

/** Asks every judge about every rollout. The first judge that throws stops the rest. */
export async function judgeRollouts(options: JudgeRolloutsOptions): Promise<JudgedRollouts> {
  const { concurrency = 8, signal, journal } = options;
  const run = new JudgingRun(options, judgeTasks({ ...options, asked: options.asked }));
  const units = run.open();
  const pool = { concurrency, onFailure: journal === undefined ? 'abort' : 'drain' } as const;
  await forEachBounded(
    units,
    { ...pool, ...(signal === undefined ? {} : { signal }) },
    async (unit, _, stop) => run.ask(unit, stop),
  );
  return run.result();
}
