import { LapidaryError } from '../errors.ts';
import type { ContinuationRequest, Continuer } from '../judge/continuer.ts';
import { packTokens } from '../policy/pack.ts';
import type { Policy } from '../policy/policy.ts';

export interface PolicyContinuerOptions {
  /** Asked for when it is first needed. */
  policy: () => Promise<Policy>;
  /** Names the weights, such as their hash; part of the judge's id. */
  policyId: string;
  eosId: number;
  /** Longest continuation, in tokens. */
  maxNewTokens: number;
  temperature?: number;
  /** Continuations per native call; bounds memory and the wait after an abort. Default 8192. */
  callSize?: number;
}

/** Continues with the built-in policy. What a prefix gives does not depend on the other prefixes or on the threads. */
export class PolicyContinuer implements Continuer {
  readonly id: string;
  readonly #options: Required<PolicyContinuerOptions>;

  constructor(options: PolicyContinuerOptions) {
    const { maxNewTokens, temperature = 1, callSize = 8192 } = options;
    if (!(Number.isSafeInteger(callSize) && callSize >= 1)) {
      const problem = `PolicyContinuer: callSize: got ${callSize}; expected a positive integer`;
      throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'callSize' });
    }
    this.#options = { ...options, temperature, callSize };
    this.id = `policy(${options.policyId},max=${maxNewTokens},temperature=${temperature})`;
  }

  async continueFrom(
    { prefixes, samples, seeds }: ContinuationRequest,
    options: { signal?: AbortSignal } = {},
  ): Promise<(Int32Array[] | null)[]> {
    const { maxContext } = (await this.#options.policy()).config;
    const results: (Int32Array[] | null)[] = prefixes.map(() => null);
    const order = [...prefixes.keys()].filter((i) => prefixes[i]!.length < maxContext);
    // Prefixes of like length decode together: the longest of a call sets the size of everyone's cache.
    order.sort((a, b) => prefixes[a]!.length - prefixes[b]!.length || a - b);
    const perCall = Math.max(1, Math.floor(this.#options.callSize / samples));
    for (let begin = 0; begin < order.length; begin += perCall) {
      options.signal?.throwIfAborted();
      const places = order.slice(begin, begin + perCall);
      const own = places.map((i) => prefixes[i]!);
      const ownSeeds = Float64Array.from(places, (i) => seeds[i]!);
      const continued = await this.#sample(own, samples, ownSeeds, options.signal);
      for (const [n, i] of places.entries()) results[i] = continued.slice(n * samples, (n + 1) * samples);
    }
    return results;
  }

  async #sample(
    prefixes: readonly Int32Array[],
    samples: number,
    promptSeeds: Float64Array,
    signal: AbortSignal | undefined,
  ): Promise<Int32Array[]> {
    const { maxNewTokens, temperature, eosId } = this.#options;
    const policy = await this.#options.policy();
    const found = await policy.sample(packTokens(prefixes), {
      ...{ samplesPerPrompt: samples, maxNewTokens, temperature, eosId, seed: 0, promptSeeds },
      ...(signal === undefined ? {} : { signal }),
    });
    return found.map(({ ids }) => ids);
  }
}
