import { LapidaryError } from '../errors.ts';
import type { Policy } from '../policy/policy.ts';
import { seededRandom, shuffled } from '../random.ts';
import { type Example, responseLogprobs } from './examples.ts';

/**
 * Puts another prompt's response after each prompt and records its log-probs under `policy`, the reference: what
 * KTO's reference point (arXiv 2402.01306, section 4.1) is estimated from. The partner is the next response, in a
 * seeded order, to another prompt; its end is cut where both do not fit the policy.
 * @throws LapidaryError ERR_LAPIDARY_DATA where all prompts are the same
 */
export async function addMismatched(
  policy: Policy,
  examples: readonly Example[],
  options: { seed: number; signal?: AbortSignal },
): Promise<Example[]> {
  const order = shuffled(
    examples.map((_, i) => i),
    seededRandom(options.seed),
  );
  const prompts = examples.map(({ promptIds }) => Array.from(promptIds).join());
  const sequences = new Array<Pick<Example, 'promptIds' | 'responseIds'>>(examples.length);
  for (const [place, i] of order.entries()) {
    const { promptIds } = examples[i]!;
    let partner: Example | undefined;
    for (let step = 1; step < order.length && partner === undefined; step++) {
      const other = order[(place + step) % order.length]!;
      if (prompts[other] !== prompts[i]) partner = examples[other]!;
    }
    if (partner === undefined) {
      const problem = 'promptIds: KTO needs two prompts or more to estimate its reference point; or set z0';
      throw new LapidaryError('ERR_LAPIDARY_DATA', problem, { argument: 'promptIds' });
    }
    const room = Math.max(0, policy.config.maxContext - promptIds.length);
    sequences[i] = { promptIds, responseIds: Array.from(partner.responseIds).slice(0, room) };
  }
  const logprobs = await responseLogprobs(
    policy,
    sequences,
    options.signal ? { signal: options.signal } : {},
  );
  return examples.map((example, i) => ({
    ...example,
    mismatched: { ...sequences[i]!, refLogprobs: logprobs[i]! },
  }));
}

/** z0 = max(0, mean of S over the mismatched responses of `batch`): detached, so it costs one forward pass. */
export async function referencePoint(
  policy: Policy,
  batch: readonly Example[],
  options: { batchTokens: number; signal?: AbortSignal },
): Promise<number> {
  const mismatched = batch.map(({ mismatched }) => mismatched!);
  const logprobs = await responseLogprobs(policy, mismatched, options);
  const drifts = mismatched.map(({ refLogprobs }, i) =>
    logprobs[i]!.reduce((sum, logp, t) => sum + (logp - refLogprobs[t]!), 0),
  );
  return Math.max(0, drifts.reduce((sum, drift) => sum + drift, 0) / batch.length);
}
