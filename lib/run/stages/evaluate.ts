import { EvalRow } from '../../data/records.ts';
import { evaluate } from '../../evaluate/evaluate.ts';
import type { Policy } from '../../policy/policy.ts';
import type { RunConfig } from '../config.ts';
import { seedOf } from '../seeds.ts';
import type { Handle } from '../stage.ts';
import { instructionSet, readTable, type StageContext, writeTable } from './context.ts';
import { maxNewTokens } from './policy.ts';
import { heldOutPrompts } from './sample.ts';

/** Samples and greedy answers on the held-out prompts, verified. Null where the run evaluates on nothing. */
export async function evaluateStage(
  context: StageContext,
  title: string,
  policy: Handle<Policy>,
  seed: number,
): Promise<Handle<EvalRow[]> | null> {
  const { config, runner, tokenizer, progress, signal } = context;
  const { evaluate: settings, data } = config;
  if (settings === undefined || data.source !== 'chains') return null;
  return runner.stage<EvalRow[]>({
    kind: 'evaluate',
    title: `evaluate ${title}`,
    version: 1,
    settings: { ...evaluationSettings(config), seed, isa: instructionSet() },
    inputs: [policy],
    async compute(directory) {
      progress.status(`evaluate ${title}`);
      const common = {
        ...{
          policy: await policy.value(),
          tokenizer,
          prompts: heldOutPrompts(config, data),
          runId: policy.result!,
        },
        ...{ seed: seedOf(config.seed, 'evaluation', seed), maxNewTokens: maxNewTokens(context) },
        ...(signal ? { signal } : {}),
      };
      const sampled = await evaluate({ ...common, samplesPerPrompt: settings.samples_per_prompt });
      const greedy = await evaluate({ ...common, samplesPerPrompt: 1, temperature: 0 });
      const rows = [...sampled.rows, ...greedy.rows];
      const files = [await writeTable(directory, 'evals', rows)];
      return {
        files,
        counts: { prompts: sampled.rows.length, samples: settings.samples_per_prompt },
      };
    },
    load: (directory) => readTable(directory, 'evals', EvalRow),
  });
}

function evaluationSettings({ evaluate: settings, data, seed }: RunConfig) {
  const operations = data.source === 'chains' ? data.operations : 0;
  return { prompts: settings!.prompts, samples: settings!.samples_per_prompt, operations, run: seed };
}
