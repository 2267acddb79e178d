import type { Policy } from '../../policy/policy.ts';
import { chainPrompts } from '../../tasks/chain-task.ts';
import { sampleRollouts } from '../../tasks/sample-rollouts.ts';
import type { RunConfig } from '../config.ts';
import { seedOf } from '../seeds.ts';
import type { Handle } from '../stage.ts';
import { instructionSet, type Place, placeName, type StageContext, writeTable } from './context.ts';
import { loadTables, type RolloutTables } from './import.ts';
import { maxNewTokens } from './policy.ts';

type ChainData = Extract<RunConfig['data'], { source: 'chains' }>;

/** The prompts that a run evaluates on: the same for every seed and iteration, and never trained on. */
export function heldOutPrompts(config: RunConfig, data: ChainData) {
  if (config.evaluate === undefined) return [];
  return chainPrompts(config.evaluate.prompts, data.operations, seedOf(config.seed, 'held-out'));
}

/** Rollouts of the generated task by `policy`. */
export function sampleStage(
  context: StageContext,
  data: ChainData,
  place: Place,
  policy: Handle<Policy>,
): Promise<Handle<RolloutTables>> {
  const { config, runner, tokenizer, progress, signal } = context;
  const { prompts: count, samples_per_prompt: samplesPerPrompt, operations } = data;
  const { seed, iteration } = place;
  return runner.stage<RolloutTables>({
    kind: 'sample',
    title: `sample, ${placeName(place)}`,
    version: 1,
    settings: {
      ...{ count, samplesPerPrompt, operations, seed, iteration, run: config.seed },
      ...{ held_out: config.evaluate?.prompts ?? 0, isa: instructionSet() },
    },
    inputs: [policy],
    async compute(directory) {
      const heldOut = new Set(heldOutPrompts(config, data).map((prompt) => prompt.prompt_id));
      const prompts = chainPrompts(
        count,
        operations,
        seedOf(config.seed, 'prompts', seed, iteration),
        heldOut,
      );
      progress.status(`sample: ${count} prompts x ${samplesPerPrompt}`);
      const rollouts = await sampleRollouts({
        ...{ policy: await policy.value(), tokenizer, prompts, samplesPerPrompt, iteration },
        ...{ seed: seedOf(config.seed, 'sampling', seed, iteration), maxNewTokens: maxNewTokens(context) },
        ...(signal ? { signal } : {}),
      });
      const files = [
        await writeTable(directory, 'prompts', prompts),
        await writeTable(directory, 'rollouts', rollouts),
      ];
      const tokens = rollouts.reduce((sum, rollout) => sum + rollout.response_ids!.length, 0);
      const cut = rollouts.filter((rollout) => rollout.finish_reason === 'length').length;
      return {
        files,
        counts: { prompts: count, rollouts: rollouts.length, tokens, cut_at_token_limit: cut },
      };
    },
    load: loadTables,
  });
}
