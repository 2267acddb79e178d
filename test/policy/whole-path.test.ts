import { describe, expect, it } from 'vitest';
import { sequenceScales } from '../../lib/kernels/aggregation.ts';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import { policyLoss } from '../../lib/kernels/policy-loss.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { packTokens } from '../../lib/policy/pack.ts';
import { Policy } from '../../lib/policy/policy.ts';
import { randomInteger, seededRandom } from '../../lib/random.ts';
import { type OracleSequence, oracleLoss } from '../oracle/policy-loss.ts';
import { transformerLogp, type Weights } from '../oracle/transformer.ts';

const CONFIG = { vocab: 11, width: 8, layers: 2, heads: 2, mlpWidth: 10, maxContext: 16 };

interface Problem {
  sequences: number[][];
  /** Tokens of each that are prompt. */
  prompts: number[];
  advantages: number[];
  weights: number[][];
  references: number[][];
}

function problem(seed: number): Problem {
  const random = seededRandom(seed);
  const lengths = [7, 12, 5];
  const vector = (n: number, draw: () => number) => Array.from({ length: n }, draw);
  return {
    sequences: lengths.map((n) => vector(n, () => randomInteger(random, CONFIG.vocab))),
    prompts: [3, 2, 4],
    advantages: [0.6, -0.4, -0.7],
    weights: lengths.map((n) => vector(n, () => Math.fround(random() < 0.4 ? -0.5 : 1))),
    references: lengths.map((n) => vector(n, () => Math.fround(-2 - random()))),
  };
}

function enlarge(policy: Policy, seed: number): void {
  const random = seededRandom(seed);
  for (const { name } of policy.parameters()) {
    const weights = policy
      .read('parameters', name)
      .map((w) => (name.includes('norm') ? w + 0.3 * random() : 15 * w));
    policy.write('parameters', name, weights);
  }
}

/** L(weights) in float64, from the token ids to the loss. */
function lossOf(policy: Policy, weights: Weights, objective: Objective, given: Problem): number {
  const responses = given.sequences.map((ids, i) => ids.length - given.prompts[i]!);
  const sequences = given.sequences.map((ids, i): OracleSequence => {
    const logp = transformerLogp(policy.config, weights, ids);
    const tokens = ids.map((_, t) => {
      const anchor = given.references[i]![t]!;
      const anchors = { old: anchor, behaviour: anchor, ref: anchor };
      return { logp: logp[t]!, ...anchors, weight: given.weights[i]![t]!, kept: t >= given.prompts[i]! };
    });
    return {
      advantage: Math.fround(given.advantages[i]!),
      scale: Math.fround(1 / (given.sequences.length * responses[i]!)),
      tokens,
    };
  });
  return oracleLoss(objective, sequences);
}

async function nativeGradients(policy: Policy, objective: Objective, given: Problem): Promise<void> {
  const packed = packTokens(given.sequences);
  const logp = await policy.forward(packed, { keep: true });
  const anchor = Tensor.from('f32', Float32Array.from(given.references.flat()));
  const lengths = given.sequences.map((ids, i) => ids.length - given.prompts[i]!);
  const { dlogp } = await policyLoss({
    objective,
    cuSeqlens: packed.cuSeqlens,
    logp,
    oldLogp: anchor,
    behaviourLogp: anchor,
    refLogp: anchor,
    advantages: Tensor.from('f32', Float32Array.from(given.advantages)),
    tokenWeights: Tensor.from('f32', Float32Array.from(given.weights.flat())),
    mask: Uint8Array.from(
      given.sequences.flatMap((ids, i) => ids.map((_, t) => (t >= given.prompts[i]! ? 1 : 0))),
    ),
    seqScale: sequenceScales('seq-mean-token-mean', lengths),
  });
  policy.zeroGradients();
  await policy.backward(dlogp);
}

describe.each([
  ['BCPG-NSA', objectives.bcpgNsa({ tau: 0.2 })],
  ['REINFORCE', objectives.reinforce()],
  ['GRPO', objectives.grpo({ anchor: 'behaviour', clipLow: 0.9, clipHigh: 9 })],
])('%s: from the policy weights through the kernels to the loss', (_name, objective) => {
  it.each([
    [1, false],
    [2, false],
    [3, true],
  ])('every gradient equals float64 central differences (seed %i, tied head: %s)', async (seed, tiedHead) => {
    const policy = new Policy({ ...CONFIG, tiedHead }, { seed });
    enlarge(policy, seed + 100);
    const given = problem(seed);
    await nativeGradients(policy, objective, given);
    const weights: Weights = new Map(
      policy.parameters().map(({ name }) => [name, Float64Array.from(policy.read('parameters', name))]),
    );
    const random = seededRandom(seed + 200);
    for (const [name, values] of weights) {
      const gradient = policy.read('gradients', name);
      const scale = Math.max(...gradient.map(Math.abs));
      for (let probe = 0; probe < 6; probe++) {
        const i = randomInteger(random, values.length);
        const kept = values[i]!;
        const step = 1e-5;
        values[i] = kept + step;
        const above = lossOf(policy, weights, objective, given);
        values[i] = kept - step;
        const below = lossOf(policy, weights, objective, given);
        values[i] = kept;
        const expected = (above - below) / (2 * step);
        expect(Math.abs(gradient[i]! - expected), `${name}[${i}], seed ${seed}`).toBeLessThan(
          2e-5 * scale + 1e-8,
        );
      }
    }
  });
});
