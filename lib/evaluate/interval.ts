import { randomInteger, seededRandom } from '../random.ts';

export interface Interval {
  mean: number;
  low: number;
  high: number;
}

/**
 * Mean of `values` with a 95 % percentile bootstrap interval over them. One value per prompt: samples of a prompt
 * are not independent, prompts are.
 */
export function bootstrapMean(
  values: readonly number[],
  options: { resamples?: number; seed?: number } = {},
): Interval {
  const { resamples = 2000, seed = 0 } = options;
  const n = values.length;
  if (n === 0) return { mean: Number.NaN, low: Number.NaN, high: Number.NaN };
  const random = seededRandom(seed);
  const means = new Float64Array(resamples);
  for (let b = 0; b < resamples; b++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[randomInteger(random, n)]!;
    means[b] = sum / n;
  }
  means.sort();
  const at = (share: number) => means[Math.min(resamples - 1, Math.floor(share * resamples))]!;
  return { mean: values.reduce((a, b) => a + b, 0) / n, low: at(0.025), high: at(0.975) };
}

/** The mean difference b - a over the same prompts, with its paired interval. */
export function pairedDifference(
  a: readonly number[],
  b: readonly number[],
  options: { resamples?: number; seed?: number } = {},
): Interval {
  if (a.length !== b.length) throw new RangeError(`${a.length} and ${b.length} values cannot be paired`);
  return bootstrapMean(
    b.map((value, i) => value - a[i]!),
    options,
  );
}
