import { loadRollouts } from '../data/load-rollouts.ts';
import type { Prompt, Rollout } from '../data/records.ts';
import { Policy } from '../policy/policy.ts';
import { chainExamples } from '../tasks/chain-examples.ts';
import { chainPrompts, chainTokenizer } from '../tasks/chain-task.ts';
import { sampleRollouts } from '../tasks/sample-rollouts.ts';
import { ByteTokenizer } from '../tokenizer/byte-tokenizer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import type { RunConfig } from './config.ts';
import type { Progress } from './progress.ts';
import { seedOf } from './seeds.ts';
import { warmUp } from './warm-up.ts';

/** What a run starts from. */
export interface Inputs {
  tokenizer: Tokenizer;
  prompts: Prompt[];
  rollouts: Rollout[];
  /** The sampler of the rollouts, where the run made them itself. */
  base: Policy | null;
  /** Prompts that no rollout is of, for evaluation. */
  heldOut: Prompt[];
}

export function newPolicy(config: RunConfig, tokenizer: Tokenizer): Policy {
  const { width, layers, heads, mlp_width: mlpWidth, max_context: maxContext } = config.policy;
  const sizes = { vocab: tokenizer.vocabSize, width, layers, heads, mlpWidth, maxContext };
  return new Policy(sizes, { seed: seedOf(config, 'policy'), threads: config.threads });
}

export async function readInputs(
  config: RunConfig,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Inputs> {
  if (config.data.source === 'chains') return generatedInputs(config, progress, signal);
  const set = await loadRollouts(
    config.data.path,
    config.data.prompts === undefined ? {} : { prompts: config.data.prompts },
  );
  const tokenizer = new ByteTokenizer();
  return {
    tokenizer,
    prompts: set.prompts,
    rollouts: encodeMissing(set, tokenizer),
    base: null,
    heldOut: [],
  };
}

/** Rollouts without ids get those of the run's tokenizer; ids of another vocabulary are replaced and their log-probs
 * dropped, since they speak of other tokens. */
function encodeMissing(set: { prompts: Prompt[]; rollouts: Rollout[] }, tokenizer: Tokenizer): Rollout[] {
  const promptIds = new Map(
    set.prompts.map((prompt) => [
      prompt.prompt_id,
      tokenizer.encode(prompt.messages.map((message) => message.content).join('\n')),
    ]),
  );
  return set.rollouts.map((rollout) => {
    if (rollout.sampler.tokenizer === tokenizer.id && rollout.response_ids != null) return rollout;
    const { behavior_logprobs: _b, ref_logprobs: _r, logprob_kind: _k, ...kept } = rollout;
    const response_ids = tokenizer.encode(rollout.response_text);
    return { ...kept, prompt_ids: promptIds.get(rollout.prompt_id)!, response_ids };
  });
}

async function generatedInputs(config: RunConfig, progress: Progress, signal?: AbortSignal): Promise<Inputs> {
  if (config.data.source !== 'chains') throw new TypeError('not the generated task');
  const { prompts: count, samples_per_prompt: samplesPerPrompt, operations } = config.data;
  const tokenizer = chainTokenizer;
  const base = newPolicy(config, tokenizer);
  const examples = chainExamples(20_000, seedOf(config, 'text'));
  await warmUp({ config, policy: base, examples, progress, ...(signal ? { signal } : {}) });
  const prompts = chainPrompts(count, operations, seedOf(config, 'prompts'));
  progress.status(`sample: ${count} prompts x ${samplesPerPrompt}`);
  const started = performance.now();
  const rollouts = await sampleRollouts({
    ...{ policy: base, tokenizer, prompts, samplesPerPrompt, iteration: 0, seed: seedOf(config, 'sampling') },
    maxNewTokens: maxNewTokens(config),
    ...(signal ? { signal } : {}),
  });
  const tokens = rollouts.reduce((sum, rollout) => sum + rollout.response_ids!.length, 0);
  const seconds = (performance.now() - started) / 1000;
  progress.line(`sample    ${rollouts.length} responses, ${tokens} tokens in ${seconds.toFixed(1)} s`);
  const seen = new Set(prompts.map((prompt) => prompt.prompt_id));
  const heldOut =
    config.evaluate === undefined
      ? []
      : chainPrompts(config.evaluate.prompts, operations, seedOf(config, 'heldOut'), seen);
  return { tokenizer, prompts, rollouts, base, heldOut };
}

export function maxNewTokens(config: RunConfig): number {
  return config.policy.max_context - config.policy.max_prompt;
}
