import path from 'node:path';
import type { RunConfig } from './config.ts';
import { Judging } from './judging.ts';
import { pipeline, type StageName } from './pipeline.ts';
import { type PlannedStage, PlanStore } from './plan-store.ts';
import { silent } from './progress.ts';
import { openInputs } from './run.ts';

export interface Plan {
  stages: PlannedStage[];
  /** Over the stages that can be counted; stages after one that has not run are counted as 0. */
  total: {
    due: number;
    cached: number;
    calls: number;
    promptTokens: number;
    completionTokens: number;
    usd: number | null;
  };
}

/** What a run would do in the directory `out`, without doing it and without writing there. */
export async function planRun(config: RunConfig, out: string, until: StageName = 'evaluate'): Promise<Plan> {
  const { tokenizer, source } = await openInputs(config, silent);
  const runner = new PlanStore(path.join(out, 'stages'));
  try {
    // Never opened by a plan.
    const judging = new Judging(path.join(out, 'journal.jsonl'), config);
    await pipeline({ context: { config, runner, tokenizer, progress: silent, judging }, until, source });
    return { stages: runner.planned, total: totalOf(runner.planned) };
  } finally {
    runner.dispose();
  }
}

function totalOf(stages: readonly PlannedStage[]): Plan['total'] {
  const total = {
    due: 0,
    cached: 0,
    calls: 0,
    promptTokens: 0,
    completionTokens: 0,
    usd: 0 as number | null,
  };
  for (const { state, estimate } of stages) {
    if (state === 'cached') total.cached += 1;
    else total.due += 1;
    if (estimate === null || estimate.calls === 0) continue;
    total.calls += estimate.calls;
    total.promptTokens += estimate.promptTokens;
    total.completionTokens += estimate.completionTokens;
    total.usd = total.usd === null || estimate.usd === null ? null : total.usd + estimate.usd;
  }
  return total;
}
