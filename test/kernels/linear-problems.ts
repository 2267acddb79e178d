import {
  type LinearGradients,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from '../../lib/kernels/linear-logprobs.ts';
import type { Logprobs } from '../../lib/kernels/logprobs.ts';
import type { LinearProblem } from '../oracle/linear-logprobs.ts';
import { type Random, seededRandom } from '../random.ts';
import { floats, ints, type Matrix, matrix, normal } from './batches.ts';
import type { FloatType } from './compare.ts';

export interface Shape {
  rows: number;
  vocab: number;
  width: number;
  temperature?: number;
}

/** A random head with its inputs, both as tensors and as the oracle's float64. */
export interface LinearCase {
  problem: LinearProblem;
  hidden: Matrix;
  weight: Matrix;
  dlogp: Float32Array;
}

const IGNORE = -100;

/** Logits are about standard normal times `spread`; every seventh row is ignored, every fifth has dlogp = 0. */
export function linearCase(dtype: FloatType, shape: Shape, seed: number, spread = 1): LinearCase {
  const { rows, vocab, width, temperature = 1 } = shape;
  const random: Random = seededRandom(seed);
  const hidden = matrix(dtype, rows, width, () => (spread * normal(random)) / Math.sqrt(width));
  const weight = matrix(dtype, vocab, width, () => normal(random));
  const targets = Array.from({ length: rows }, (_, t) => (t % 7 === 6 ? IGNORE : random.int(0, vocab - 1)));
  const dlogp = Float32Array.from(targets, (_, t) => (t % 5 === 4 ? 0 : normal(random)));
  const problem: LinearProblem = {
    ...{ rows, vocab, width, targets },
    temperature: Math.fround(temperature),
    hidden: hidden.values,
    weight: weight.values,
  };
  return { problem, hidden, weight, dlogp };
}

export function inputOf({ problem, hidden, weight }: LinearCase) {
  return { hidden: hidden.tensor, weight: weight.tensor, targets: ints(problem.targets) };
}

export function forward(linear: LinearCase): Logprobs {
  const { temperature } = linear.problem;
  return linearLogprobsSync(inputOf(linear), { temperature, entropy: true, ignoreIndex: IGNORE });
}

export function backward(
  linear: LinearCase,
  options: Parameters<typeof linearLogprobsBackwardSync>[1] = {},
): LinearGradients {
  const { temperature } = linear.problem;
  const { logp, lse } = forward(linear);
  const given = { ...inputOf(linear), logp, lse, dlogp: floats(linear.dlogp) };
  return linearLogprobsBackwardSync(given, { temperature, ignoreIndex: IGNORE, ...options });
}
