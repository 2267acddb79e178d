import { expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import { packTokens } from '../../lib/policy/pack.ts';
import { Policy } from '../../lib/policy/policy.ts';
import { chainExamples } from '../../lib/tasks/chain-examples.ts';
import { chainPrompts, chainTokenizer, EOS_ID } from '../../lib/tasks/chain-task.ts';
import { train } from '../../lib/train/train.ts';

const CONFIG = { vocab: 22, width: 32, layers: 2, heads: 4, mlpWidth: 40, maxContext: 96 };

async function trained(threads: number): Promise<Policy> {
  const policy = new Policy(CONFIG, { seed: 3, threads });
  await train({
    ...{ policy, examples: chainExamples(64, 4), objective: objectives.rft(), updates: 6 },
    ...{ responsesPerUpdate: 16, lr: 1e-2, seed: 5 },
  });
  return policy;
}

function bits(policy: Policy): string {
  return policy
    .parameters()
    .map(({ name }) => Buffer.from(policy.read('parameters', name).buffer).toString('base64'))
    .join();
}

const sampling = { samplesPerPrompt: 4, maxNewTokens: 60, eosId: EOS_ID, seed: 8 };
const prompts = packTokens(
  chainPrompts(5, 6, 1).map((prompt) => chainTokenizer.encode(prompt.messages[0]!.content)),
);

it('the same seed gives the same bits, whatever the number of threads', async () => {
  const reference = await trained(1);
  const expected = bits(reference);
  const samples = await reference.sample(prompts, sampling);
  for (const threads of [1, 2, 3]) {
    const other = await trained(threads);
    expect(bits(other) === expected, `${threads} threads`).toBe(true);
    expect(await other.sample(prompts, sampling)).toEqual(samples);
  }
});

it('recorded behaviour log-probs are what forward gives, to the bit, so that S starts at 0', async () => {
  const policy = await trained(2);
  const samples = await policy.sample(prompts, sampling);
  const promptIds = Array.from({ length: 5 }, (_, i) =>
    prompts.tokens.slice(prompts.cuSeqlens[i]!, prompts.cuSeqlens[i + 1]!),
  );
  const packed = packTokens(samples.map(({ prompt, ids }) => [...promptIds[prompt]!, ...ids]));
  const logp = await policy.forward(packed);
  samples.forEach(({ logprobs, ids }, i) => {
    const end = packed.cuSeqlens[i + 1]!;
    expect([...logp.data.slice(end - ids.length, end)]).toEqual([...logprobs]);
  });
});

it('another seed gives other samples', async () => {
  const policy = await trained(2);
  const samples = await policy.sample(prompts, sampling);
  expect(await policy.sample(prompts, { ...sampling, seed: 9 })).not.toEqual(samples);
});
