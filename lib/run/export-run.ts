import path from 'node:path';
import { z } from 'zod';
import { type ExportFormat, exportRows } from '../data/export-rows.ts';
import { writeRowsAtomic } from '../data/tables.ts';
import type { StepLabel } from '../judge/judge.ts';
import { consensusView } from '../judge/verdict-view.ts';
import type { RunConfig } from './config.ts';
import { type RunOptions, run } from './run.ts';
import { allVerdicts, judgesOf, ruleOf } from './stages/label.ts';

/** Runs up to the labels and writes those of the first method for another trainer; gives the file and its rows. */
export async function exportRun(
  config: RunConfig,
  format: ExportFormat,
  options: RunOptions,
): Promise<{ file: string; rows: number }> {
  const { seeds } = await run(config, { ...options, until: 'label' });
  const { prepared, methods } = seeds[0]!;
  const method = config.methods[0]!;
  const { prompts, rollouts } = await prepared.verified.value();
  const judges = method.beta === 1 ? [] : judgesOf(config, method, prepared);
  const labels: Map<string, StepLabel[]> =
    judges.length === 0
      ? new Map()
      : consensusView(await allVerdicts(judges), {
          ...{ propagation: method.propagation, rule: ruleOf(method.consensus) },
          judges: judges.map(({ judge }) => judge.id),
        });
  const source = {
    ...{ prompts: prompts.values(), rollouts, steps: await prepared.steps.value(), labels },
    trainRows: await methods[0]!.rows.value(),
  };
  const file = path.join(options.out, `${format}.jsonl`);
  const rows = await writeRowsAtomic(
    file,
    z.looseObject({}),
    exportRows(format, source) as Iterable<Record<string, unknown>>,
  );
  return { file, rows };
}
