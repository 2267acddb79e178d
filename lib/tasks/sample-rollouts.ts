import { contentId } from '../data/ids.ts';
import type { Prompt, Rollout } from '../data/records.ts';
import { packTokens } from '../policy/pack.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export interface SampleRolloutsOptions {
  policy: Policy;
  tokenizer: Tokenizer;
  prompts: readonly Prompt[];
  samplesPerPrompt: number;
  maxNewTokens: number;
  seed: number;
  iteration: number;
  signal?: AbortSignal;
}

/** Rollouts of the built-in policy at temperature 1, with ids and behaviour log-probs as sampled. */
export async function sampleRollouts(options: SampleRolloutsOptions): Promise<Rollout[]> {
  const { policy, tokenizer, prompts, samplesPerPrompt, maxNewTokens, seed, iteration } = options;
  const promptIds = prompts.map((prompt) => tokenizer.encode(prompt.messages.at(-1)!.content));
  const sampler = { engine: 'lapidary', model: 'built-in', temperature: 1, seed, tokenizer: tokenizer.id };
  const samples = await policy.sample(packTokens(promptIds), {
    ...{ samplesPerPrompt, maxNewTokens, temperature: 1, eosId: tokenizer.eosId, seed },
    ...(options.signal ? { signal: options.signal } : {}),
  });
  return samples.map((sample, i) => {
    const prompt = prompts[sample.prompt]!;
    const group_index = i % samplesPerPrompt;
    const group_id = contentId({ prompt_id: prompt.prompt_id, iteration, sampler });
    return {
      ...{ rollout_id: contentId({ group_id, group_index }), prompt_id: prompt.prompt_id, iteration },
      ...{ group_id, group_index, prompt_ids: promptIds[sample.prompt]! },
      response_ids: [...sample.ids],
      response_text: tokenizer.decode(sample.ids),
      behavior_logprobs: [...sample.logprobs],
      logprob_kind: 'raw_full_vocab' as const,
      sampler,
      finish_reason: sample.ids.at(-1) === tokenizer.eosId ? 'stop' : 'length',
    };
  });
}
