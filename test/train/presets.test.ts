import { describe, expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import type { Policy } from '../../lib/policy/policy.ts';
import { type Example, packExamples } from '../../lib/train/examples.ts';
import { examplesFor } from '../../lib/train/examples-for.ts';
import { addMismatched } from '../../lib/train/kto-reference.ts';
import { OBJECTIVE_NAMES, objectiveSpec } from '../../lib/train/objective-spec.ts';
import { preferencePairs } from '../../lib/train/preference-pairs.ts';
import { type TrainOptions, train } from '../../lib/train/train.ts';
import { type OracleSequence, oracleGradient } from '../oracle/policy-loss.ts';
import { EXPECTED, type Expected, expectedAdvantage, expectedScale } from './expected-presets.ts';
import { copyOf, gradientsOf, problem, tinyPolicy, weighted } from './problem.ts';

const SEED = 4_311;

function distance(a: Float64Array, b: Float64Array): number {
  const norm = (x: Float64Array) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  return norm(a.map((v, i) => v - b[i]!)) / norm(b);
}

/** The responses of the one update that takes everything, and how they are weighed, written from the papers. */
function batchOf(
  expected: Expected,
  examples: readonly Example[],
): { example: Example; advantage: number }[] {
  if (expected.scale === 'pairs') {
    return preferencePairs(examples, { seed: SEED }).flatMap(({ chosen, rejected }) => [
      { example: chosen, advantage: 1 },
      { example: rejected, advantage: -1 },
    ]);
  }
  const all = examples.map((example) => ({
    example,
    advantage: Math.fround(expectedAdvantage(expected.advantage, example)),
  }));
  return expected.onlySigned ? all.filter(({ advantage }) => advantage !== 0) : all;
}

/** dL/dlogp of the float64 oracle, sent backwards through a copy of the policy. */
async function oracleGradients(
  policy: Policy,
  expected: Expected,
  examples: readonly Example[],
  z0: number | undefined,
): Promise<Float64Array> {
  const batch = batchOf(expected, examples);
  const packed = packExamples(batch.map(({ example }) => example));
  const logp = await policy.forward(packed, { keep: true });
  const lengths = batch.map(({ example }) => example.responseIds.length);
  const sequences = batch.map(({ example, advantage }, i): OracleSequence => {
    const end = packed.cuSeqlens[i + 1]!;
    const tokens = Array.from(example.responseIds, (_, t) => {
      const ref = example.refLogprobs![t]!;
      const behaviour = example.behaviourLogprobs![t]!;
      const at = end - example.responseIds.length + t;
      const anchors = { ref, behaviour, old: ref };
      return { logp: logp.data[at]!, ...anchors, weight: example.tokenWeights[t]!, kept: true };
    });
    return { advantage, scale: Math.fround(expectedScale(expected.scale, lengths, i)), tokens };
  });
  const objective = expected.objective(z0);
  const gradient = oracleGradient(objective, sequences);
  const dlogp = new Float32Array(packed.tokens.length);
  let from = 0;
  batch.forEach(({ example }, i) => {
    const count = example.responseIds.length;
    dlogp.set(gradient.slice(from, from + count), packed.cuSeqlens[i + 1]! - count);
    from += count;
  });
  policy.zeroGradients();
  await policy.backward(Tensor.from('f32', dlogp));
  return gradientsOf(policy);
}

async function trainOnce(
  policy: Policy,
  name: string,
  examples: readonly Example[],
  more: Partial<TrainOptions> = {},
) {
  const spec = objectiveSpec(name);
  const used = examplesFor(spec, examples);
  const responsesPerUpdate = spec.pairs ? 2 * preferencePairs(used, { seed: SEED }).length : used.length;
  const options = { updates: 1, responsesPerUpdate, lr: 1e-3, seed: SEED, maxGradNorm: 0, ...more };
  return train({ policy, objective: spec, examples: used, ...options });
}

/** Weights only where they are read: elsewhere they are refused. */
async function examplesOf(policy: Policy, name: string, groups = 2): Promise<Example[]> {
  const plain = await problem(policy, SEED, groups);
  if (name === 'kto') {
    // A reference that holds mismatched responses for less likely: the reference point is above 0.
    return (await addMismatched(policy, plain, { seed: SEED })).map((example) => {
      const { refLogprobs, ...rest } = example.mismatched!;
      return { ...example, mismatched: { ...rest, refLogprobs: Array.from(refLogprobs, (x) => x - 0.5) } };
    });
  }
  return objectiveSpec(name).tokenWeights ? weighted(plain, SEED) : plain;
}

it('every preset has an expectation, and every expectation is a preset', () => {
  expect(Object.keys(EXPECTED).sort()).toEqual(Object.keys(objectives).sort());
  expect([...OBJECTIVE_NAMES].sort()).toEqual(Object.keys(objectives).sort());
});

describe.each(Object.entries(EXPECTED))('%s', (name, expected) => {
  it(`one update's gradient is the float64 oracle's (seed ${SEED})`, async () => {
    const start = tinyPolicy(SEED);
    const examples = await examplesOf(start, name);
    const trained = copyOf(start);
    const { last, responses } = await trainOnce(trained, name, examples);
    const oracle = await oracleGradients(start, expected, examples, last!.z0);
    expect(distance(gradientsOf(trained), oracle)).toBeLessThan(1e-5);
    expect(responses).toBe(batchOf(expected, examples).length);
    expect(last!.gradNorm).toBeGreaterThan(0);
    if (name === 'kto') expect(last!.z0).toBeGreaterThan(0);
  });

  it(`small parts add up to the same sums (seed ${SEED})`, async () => {
    const start = tinyPolicy(SEED);
    const examples = await examplesOf(start, name);
    const [whole, parts] = [copyOf(start), copyOf(start)];
    const a = await trainOnce(whole, name, examples);
    const b = await trainOnce(parts, name, examples, { batchTokens: 25 });
    expect(distance(gradientsOf(parts), gradientsOf(whole))).toBeLessThan(1e-5);
    for (const [key, value] of Object.entries(a.last!)) {
      if (key === 'seconds') continue;
      const other = b.last![key as 'loss'];
      expect(Math.abs(other - value), key).toBeLessThanOrEqual(1e-5 * Math.max(1, Math.abs(value)));
    }
  });
});

it('objectives change the gradient: no two presets with different formulas give the same', async () => {
  const start = tinyPolicy(SEED);
  const seen = new Map<string, string[]>();
  for (const name of OBJECTIVE_NAMES) {
    const policy = copyOf(start);
    // Enough tokens that some lie between the clip of PPO and that of DAPO.
    await trainOnce(policy, name, await examplesOf(start, name, 12));
    const key = Array.from(gradientsOf(policy), (g) => g.toPrecision(4)).join();
    seen.set(key, [...(seen.get(key) ?? []), name]);
  }
  // Equal by their definition: the same formula on the same advantages (weights are in the data).
  const same = [...seen.values()].filter((names) => names.length > 1).map((names) => names.sort().join());
  expect(same.sort()).toEqual(['bcpg,bcpgNsa,pmd', 'psr,rft']);
});
