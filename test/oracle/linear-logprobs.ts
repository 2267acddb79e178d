import { oracleRow, oracleRowGradient, type RowLogprob } from './token-logprobs.ts';

/** A linear head in float64: logits[t, v] = sum_h hidden[t, h] weight[v, h]. Rows with a negative target are out. */
export interface LinearProblem {
  rows: number;
  vocab: number;
  width: number;
  hidden: Float64Array;
  weight: Float64Array;
  targets: ArrayLike<number>;
  temperature: number;
}

export function oracleLogits(problem: LinearProblem, t: number): Float64Array {
  const { vocab, width, hidden, weight } = problem;
  return Float64Array.from({ length: vocab }, (_, v) => {
    let sum = 0;
    for (let h = 0; h < width; h++) sum += hidden[t * width + h]! * weight[v * width + h]!;
    return sum;
  });
}

/** Null for an ignored row. */
export function oracleLinear(problem: LinearProblem): (RowLogprob | null)[] {
  return Array.from({ length: problem.rows }, (_, t) => {
    const target = problem.targets[t]!;
    return target < 0 ? null : oracleRow(oracleLogits(problem, t), target, problem.temperature);
  });
}

/** sum_t dlogp[t] logp[t], the scalar whose gradient the backward gives. */
export function oracleLinearLoss(problem: LinearProblem, dlogp: ArrayLike<number>): number {
  return oracleLinear(problem).reduce((sum, row, t) => sum + (row === null ? 0 : dlogp[t]! * row.logp), 0);
}

export interface LinearGradient {
  dhidden: Float64Array;
  dweight: Float64Array;
}

/** The chain rule through the logits: dhidden = dlogits x weight, dweight = dlogits^T x hidden. */
export function oracleLinearGradient(problem: LinearProblem, dlogp: ArrayLike<number>): LinearGradient {
  const { rows, vocab, width, hidden, weight, targets, temperature } = problem;
  const dhidden = new Float64Array(rows * width);
  const dweight = new Float64Array(vocab * width);
  for (let t = 0; t < rows; t++) {
    if (targets[t]! < 0 || dlogp[t] === 0) continue;
    const dlogits = oracleRowGradient(oracleLogits(problem, t), targets[t]!, temperature, dlogp[t]!);
    for (let v = 0; v < vocab; v++) {
      for (let h = 0; h < width; h++) {
        dhidden[t * width + h]! += dlogits[v]! * weight[v * width + h]!;
        dweight[v * width + h]! += dlogits[v]! * hidden[t * width + h]!;
      }
    }
  }
  return { dhidden, dweight };
}

/** Central differences of the loss in every element of `values`, which belongs to `problem`. */
export function centralDifferences(
  problem: LinearProblem,
  dlogp: ArrayLike<number>,
  values: Float64Array,
  step = 1e-5,
): Float64Array {
  return Float64Array.from(values, (kept, i) => {
    values[i] = kept + step;
    const above = oracleLinearLoss(problem, dlogp);
    values[i] = kept - step;
    const below = oracleLinearLoss(problem, dlogp);
    values[i] = kept;
    return (above - below) / (2 * step);
  });
}
