import { expect, it } from 'vitest';
import { packTokens } from '../../lib/policy/pack.ts';
import type { Policy } from '../../lib/policy/policy.ts';
import type { Example } from '../../lib/train/examples.ts';
import { addMismatched, referencePoint } from '../../lib/train/kto-reference.ts';
import { CONFIG, problem, tinyPolicy } from './problem.ts';

const SEED = 9_021;

/** Summed log-prob of a response after a prompt, by a sequence alone. */
async function summed(
  policy: Policy,
  prompt: ArrayLike<number>,
  response: ArrayLike<number>,
): Promise<number> {
  const logp = await policy.forward(packTokens([[...Array.from(prompt), ...Array.from(response)]]));
  return logp.data.slice(prompt.length).reduce((sum, value) => sum + value, 0);
}

it(`z0 is the mean drift of mismatched responses, cut at 0 (seed ${SEED})`, async () => {
  const [reference, policy] = [tinyPolicy(SEED), tinyPolicy(SEED + 1)];
  const examples = await addMismatched(reference, await problem(reference, SEED, 3), { seed: SEED });
  const drifts = await Promise.all(
    examples.map(async ({ promptIds, mismatched }) => {
      expect(mismatched!.promptIds).toEqual(promptIds);
      const { responseIds } = mismatched!;
      return (
        (await summed(policy, promptIds, responseIds)) - (await summed(reference, promptIds, responseIds))
      );
    }),
  );
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const above = examples.filter((_, i) => drifts[i]! > 0);
  const below = examples.filter((_, i) => drifts[i]! < 0);
  expect(Math.min(above.length, below.length)).toBeGreaterThan(3);
  const options = { batchTokens: 50 };
  expect(await referencePoint(policy, above, options)).toBeCloseTo(mean(drifts.filter((d) => d > 0)), 4);
  expect(await referencePoint(policy, below, options)).toBe(0);
  expect(await referencePoint(reference, examples, options)).toBe(0);
});

it('the response is another prompt’s, its end cut where both do not fit', async () => {
  const policy = tinyPolicy(SEED);
  const random = await problem(policy, SEED, 4);
  const long = random.map(
    (example): Example => ({
      ...example,
      promptIds: [...Array.from(example.promptIds), ...new Array(15).fill(1)],
    }),
  );
  for (const example of await addMismatched(policy, long, { seed: 2 })) {
    const { promptIds, responseIds } = example.mismatched!;
    expect(promptIds.length + responseIds.length).toBeLessThanOrEqual(CONFIG.maxContext);
    const sources = long.filter((other) => other.groupId !== example.groupId);
    const head = Array.from(responseIds).join();
    expect(
      sources.some((other) => Array.from(other.responseIds).slice(0, responseIds.length).join() === head),
    ).toBe(true);
  }
});

it('one prompt alone has no mismatched response', async () => {
  const policy = tinyPolicy(SEED);
  const single = await problem(policy, SEED, 1);
  await expect(addMismatched(policy, single, { seed: 1 })).rejects.toThrow(/two prompts or more/);
});
