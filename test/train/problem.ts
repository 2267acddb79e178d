import { Policy } from '../../lib/policy/policy.ts';
import { type Example, responseLogprobs } from '../../lib/train/examples.ts';
import { seededRandom } from '../random.ts';

export const CONFIG = { vocab: 12, width: 16, layers: 1, heads: 2, mlpWidth: 20, maxContext: 24 };

/** A policy whose log-probs are far from uniform, so that ratios and constraints have something to do. */
export function tinyPolicy(seed: number): Policy {
  const policy = new Policy(CONFIG, { seed, threads: 1 });
  for (const { name } of policy.parameters()) {
    const factor = name.includes('norm') ? 1 : 8;
    policy.write(
      'parameters',
      name,
      policy.read('parameters', name).map((w) => factor * w),
    );
  }
  return policy;
}

export function copyOf(policy: Policy): Policy {
  const copy = new Policy(policy.config, { threads: 1 });
  for (const { name } of policy.parameters()) {
    copy.write('parameters', name, policy.read('parameters', name));
  }
  return copy;
}

/**
 * Groups of ten responses of which three are right (NFT's share in the oracle is 0.3), lengths 1 to 8, weights of 1
 * and -0.5, and anchors that lie around the policy's own log-probs.
 */
export async function problem(policy: Policy, seed: number, groups = 2): Promise<Example[]> {
  const random = seededRandom(seed);
  const list = (length: number, draw: () => number) => Array.from({ length }, draw);
  const token = () => random.int(0, CONFIG.vocab - 1);
  const bare = Array.from({ length: groups }, (_, g) => {
    const promptIds = list(random.int(2, 5), token);
    return Array.from({ length: 10 }, (_, i): Example => {
      const responseIds = list(random.int(1, 8), token);
      const right = i % 10 < 3;
      return {
        ...{
          rolloutId: `g${g}r${i}`,
          groupId: `g${g}`,
          right,
          reward: right ? 1 : 0,
          promptIds,
          responseIds,
        },
        advantage: Number.NaN,
        tokenWeights: responseIds.map(() => 1),
        ...{ behaviourLogprobs: null, refLogprobs: null },
      };
    });
  }).flat();
  const logprobs = await responseLogprobs(policy, bare);
  return bare.map((example, i) => {
    const around = () => Array.from(logprobs[i]!, (logp) => Math.fround(logp + 2 * (random.next() - 0.5)));
    return { ...example, behaviourLogprobs: around(), refLogprobs: around() };
  });
}

/** The same with the weights of right steps on some tokens of wrong responses. */
export function weighted(examples: readonly Example[], seed: number): Example[] {
  const random = seededRandom(seed);
  return examples.map((example) => ({
    ...example,
    tokenWeights: Array.from(example.responseIds, () => (!example.right && random.next() < 0.4 ? -0.5 : 1)),
  }));
}

/** All of a policy's gradients, one after the other. */
export function gradientsOf(policy: Policy): Float64Array {
  return Float64Array.from(policy.parameters().flatMap(({ name }) => [...policy.read('gradients', name)]));
}

export function weightsOf(policy: Policy): Float64Array {
  return Float64Array.from(policy.parameters().flatMap(({ name }) => [...policy.read('parameters', name)]));
}
