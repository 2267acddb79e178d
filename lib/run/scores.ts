import type { EvalRow } from '../data/records.ts';
import { passAtK } from '../evaluate/pass-at-k.ts';
import type { RunConfig } from './config.ts';
import type { SeedOutcome } from './pipeline.ts';

/** What a policy scored: `[seed][prompt]`. */
export interface Scores {
  /** Share of right samples. */
  sampled: number[][];
  greedy: number[][];
  passAtK(k: number): number[][];
}

/** Scores of the base and of each method after each iteration that all seeds reached. */
export interface RunScores {
  base: Scores;
  of(method: string, iteration: number): Scores | null;
}

export async function scoresOf(seeds: readonly SeedOutcome[], config: RunConfig): Promise<RunScores> {
  const byKey = new Map<string, Scores>();
  for (const { name } of config.methods) {
    for (let iteration = 0; ; iteration++) {
      const own = seeds.map(({ methods }) =>
        methods.find((one) => one.method === name && one.iteration === iteration),
      );
      if (own.some((one) => one?.evals == null)) break;
      byKey.set(`${name}/${iteration}`, scores(await Promise.all(own.map((one) => one!.evals!.value()))));
    }
  }
  const base = scores(await Promise.all(seeds.map((seed) => seed.base!.evals!.value())));
  return { base, of: (method, iteration) => byKey.get(`${method}/${iteration}`) ?? null };
}

function scores(rows: readonly EvalRow[][]): Scores {
  const pick = (greedy: boolean, score: (row: EvalRow) => number) =>
    rows.map((list) => list.filter((row) => row.greedy === greedy).map(score));
  return {
    sampled: pick(false, ({ n, c }) => c / n),
    greedy: pick(true, ({ n, c }) => c / n),
    passAtK: (k) => pick(false, ({ n, c }) => passAtK(n, c, k)),
  };
}
