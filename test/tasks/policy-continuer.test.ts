import { expect, it } from 'vitest';
import type { JudgeRequest } from '../../lib/judge/judge.ts';
import { MonteCarloJudge } from '../../lib/judge/monte-carlo-judge.ts';
import { packTokens } from '../../lib/policy/pack.ts';
import { Policy } from '../../lib/policy/policy.ts';
import {
  chainAnswer,
  chainPrompt,
  chainResponse,
  chainTokenizer,
  EOS_ID,
  uniformChain,
} from '../../lib/tasks/chain-task.ts';
import { PolicyContinuer } from '../../lib/tasks/policy-continuer.ts';
import { verifyAnswer } from '../../lib/verify/verify-answer.ts';
import { seededRandom } from '../random.ts';

const CONFIG = { vocab: 22, width: 32, layers: 2, heads: 4, mlpWidth: 40, maxContext: 64 };
const policyOf = (threads: number) => new Policy(CONFIG, { seed: 6, threads });
const common = { eosId: EOS_ID, maxNewTokens: 20, policyId: 'test' };

function prefixesOf(seed: number, count: number): Int32Array[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () =>
    Int32Array.from({ length: random.int(1, 40) }, () => random.int(0, 20)),
  );
}

it('gives a prefix the same continuations alone, in any batch, in any order and with any threads', async () => {
  const seed = 12;
  const prefixes = prefixesOf(seed, 60);
  const seeds = Float64Array.from(prefixes, (_, i) => (i + 1) * 2 ** 44 + i);
  const together = await new PolicyContinuer({ ...common, policy: async () => policyOf(2) }).continueFrom({
    prefixes,
    samples: 3,
    seeds,
  });
  for (const [threads, callSize] of [
    [1, 8192],
    [3, 7],
  ] as const) {
    const continuer = new PolicyContinuer({ ...common, policy: async () => policyOf(threads), callSize });
    const reversed = await continuer.continueFrom({
      ...{ prefixes: prefixes.toReversed(), samples: 3, seeds: seeds.toReversed() },
    });
    expect(reversed.toReversed(), `seed ${seed}, ${threads} threads`).toEqual(together);
  }
  const alone = new PolicyContinuer({ ...common, policy: async () => policyOf(1) });
  for (const i of [0, 17, 59]) {
    const [own] = await alone.continueFrom({
      prefixes: [prefixes[i]!],
      samples: 3,
      seeds: seeds.slice(i, i + 1),
    });
    expect(own).toEqual(together[i]);
  }
  // Samples of a prefix differ from each other, and another seed gives others.
  expect(together[0]![0]).not.toEqual(together[0]![1]);
  const [other] = await alone.continueFrom({
    prefixes: [prefixes[0]!],
    samples: 3,
    seeds: Float64Array.of(1),
  });
  expect(other).not.toEqual(together[0]);
});

it('draws each token from the distribution that forward gives', async () => {
  const policy = policyOf(2);
  const prefix = Int32Array.of(4, 13, 7, 17);
  const logp = await Promise.all(
    Array.from({ length: 22 }, async (_, v) => (await policy.forward(packTokens([[...prefix, v]]))).data[4]!),
  );
  const draws = 4000;
  const prefixes = Array.from({ length: draws }, () => prefix);
  const continuer = new PolicyContinuer({ ...common, policy: async () => policy, maxNewTokens: 1 });
  const found = await continuer.continueFrom({
    prefixes,
    samples: 1,
    seeds: Float64Array.from(prefixes.keys()),
  });
  const counts = new Array<number>(22).fill(0);
  for (const own of found) counts[own![0]![0]!]!++;
  for (const [v, count] of counts.entries()) {
    const p = Math.exp(logp[v]!);
    // Five standard deviations.
    expect(Math.abs(count / draws - p), `token ${v}`).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / draws));
  }
});

it('has null for a prefix that fills the context, and stops when aborted', async () => {
  const continuer = new PolicyContinuer({ ...common, policy: async () => policyOf(1) });
  const [full, one] = await continuer.continueFrom({
    prefixes: [new Int32Array(64), new Int32Array(63)],
    ...{ samples: 2, seeds: Float64Array.of(1, 2) },
  });
  expect(full).toBeNull();
  expect(one!.map(({ length }) => length)).toEqual([1, 1]);
  const signal = AbortSignal.abort(new Error('enough'));
  const request = { prefixes: prefixesOf(1, 4), samples: 1, seeds: new Float64Array(4) };
  await expect(continuer.continueFrom(request, { signal })).rejects.toThrow('enough');
});

it('refuses seeds that do not fit the prompts', async () => {
  const policy = policyOf(1);
  const sample = (promptSeeds: Float64Array) =>
    policy.sample(packTokens([[1], [2]]), {
      samplesPerPrompt: 1,
      maxNewTokens: 2,
      eosId: EOS_ID,
      seed: 0,
      promptSeeds,
    });
  for (const seeds of [[1], [1, 2, 3], [1, -1], [1, 0.5], [1, Number.NaN]]) {
    await expect(async () => sample(Float64Array.from(seeds))).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
    });
  }
  expect(await sample(Float64Array.of(0, 2 ** 53 - 1))).toHaveLength(2);
});

it('judges chains with the Monte-Carlo judge, batched or alone', async () => {
  const random = seededRandom(9);
  const requests = Array.from({ length: 12 }, (_, i): JudgeRequest => {
    const chain = uniformChain(random.next, 3);
    const steps = chainResponse(chain, random.next, 0.3).split(/(?<=\n)/);
    const ids = steps.map((step) => chainTokenizer.encode(step));
    const stepEnds = ids.map((_, k) => ids.slice(0, k + 1).flat().length);
    const problem = chainPrompt(chain);
    return {
      ...{ rolloutId: `r${i}`, problem, groundTruth: String(chainAnswer(chain)), steps, stepEnds },
      ...{ promptIds: chainTokenizer.encode(problem), responseIds: ids.flat() },
    };
  });
  const judge = new MonteCarloJudge({
    continuer: new PolicyContinuer({ ...common, policy: async () => policyOf(2) }),
    verifier: { id: 'answer', verify: (response, gold) => verifyAnswer(response, gold).verdict },
    decode: (ids) => chainTokenizer.decode(ids),
    samples: 2,
  });
  const responses = await judge.judgeBatch(requests);
  for (const [i, request] of requests.entries()) {
    expect((await judge.judge(request)).judgements).toEqual(responses[i]!.judgements);
    expect(responses[i]!.judgements.at(-1)).toMatchObject({ label: 'right', reason: 'own answer' });
  }
});
