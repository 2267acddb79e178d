import { rm } from 'node:fs/promises';
import path from 'node:path';
import type { Rollout } from '../../data/records.ts';
import { objectives } from '../../kernels/objectives.ts';
import { loadPolicy, savePolicy } from '../../policy/checkpoint.ts';
import { Policy } from '../../policy/policy.ts';
import { chainExamples } from '../../tasks/chain-examples.ts';
import { type Example, examplesOf, fitToContext } from '../../train/examples.ts';
import { train } from '../../train/train.ts';
import { seedOf } from '../seeds.ts';
import type { Handle } from '../stage.ts';
import { instructionSet, need, type StageContext } from './context.ts';
import type { Verified } from './verify.ts';

const WEIGHTS = 'policy.safetensors';
const STATE = 'training-state.safetensors';
/** Worked-out chains in the text that the policy of the generated task is warmed up on. */
const TEXT_LENGTH = 20_000;

/** A policy of its own with the weights of `source`. */
export function copyPolicy(source: Policy, threads: number): Policy {
  const copy = new Policy(source.config, { threads });
  for (const { name } of source.parameters()) copy.write('parameters', name, source.read('parameters', name));
  return copy;
}

export function maxNewTokens(context: StageContext): number {
  const shape = need(context.config, 'policy');
  return shape.max_context - shape.max_prompt;
}

/**
 * The policy that everything starts from, by maximum likelihood: on worked-out chains for the generated task, on the
 * right responses where rollouts are stored.
 */
export function warmUpStage(
  context: StageContext,
  verified: Handle<Verified> | null,
): Promise<Handle<Policy>> {
  const { config, runner } = context;
  const shape = need(config, 'policy');
  const warmup = need(config, 'warmup');
  return runner.stage<Policy>({
    kind: 'warm-up',
    title: 'warm-up',
    version: 1,
    settings: { shape, warmup, seed: config.seed, tokenizer: context.tokenizer.id, isa: instructionSet() },
    inputs: verified === null ? [] : [verified],
    async compute(directory) {
      const policy = newPolicy(context);
      const examples =
        verified === null
          ? chainExamples(TEXT_LENGTH, seedOf(config.seed, 'text'))
          : rightExamples(context, (await verified.value()).rollouts);
      const counts = await warmUp(context, policy, examples, path.join(directory, STATE));
      await savePolicy(policy, path.join(directory, WEIGHTS));
      await rm(path.join(directory, STATE), { force: true });
      return { files: [WEIGHTS], counts };
    },
    load: async (directory) => loadPolicy(path.join(directory, WEIGHTS), { threads: config.threads }),
  });
}

function newPolicy({ config, tokenizer }: StageContext): Policy {
  const { width, layers, heads, mlp_width: mlpWidth, max_context: maxContext } = need(config, 'policy');
  const { tied_head: tiedHead } = need(config, 'policy');
  const sizes = { vocab: tokenizer.vocabSize, width, layers, heads, mlpWidth, maxContext, tiedHead };
  return new Policy(sizes, { seed: seedOf(config.seed, 'policy'), threads: config.threads });
}

function rightExamples({ config }: StageContext, rollouts: readonly Rollout[]): Example[] {
  const { max_prompt, max_context } = need(config, 'policy');
  const right = rollouts.filter((rollout) => rollout.verdict === 'right');
  const rows = right.map((rollout) => ({
    ...{ rollout_id: rollout.rollout_id, group_id: rollout.group_id, advantage: 1, drop_reason: null },
    token_weight: rollout.response_ids!.map(() => 1),
  }));
  const byId = new Map(right.map((rollout) => [rollout.rollout_id, rollout]));
  return fitToContext(examplesOf(rows, byId), max_prompt, max_context).examples;
}

async function warmUp(
  context: StageContext,
  policy: Policy,
  examples: readonly Example[],
  statePath: string,
) {
  const { config, progress, signal } = context;
  const { updates, responses_per_update: responsesPerUpdate, lr } = need(config, 'warmup');
  const result = await train({
    ...{ policy, examples, objective: objectives.rft(), updates, responsesPerUpdate, lr },
    ...{ schedule: 'cosine' as const, warmupUpdates: Math.min(50, Math.ceil(updates / 20)) },
    seed: seedOf(config.seed, 'warm-up'),
    state: { path: statePath, every: 100 },
    onUpdate: ({ update, positiveLogp, positiveTokens }) =>
      progress.advance('warm-up', update, updates, `logp ${(positiveLogp / positiveTokens).toFixed(3)}`),
    ...(signal ? { signal } : {}),
  });
  return { updates: result.updates, tokens: result.tokens };
}
