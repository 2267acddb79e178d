import { LapidaryError } from '../errors.ts';
import { studentQuantile } from './student.ts';

/** A mean with its 95 % interval. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
}

/**
 * Mean of `scores[seed][prompt]` with a 95 % interval clustered both ways: repetitions share prompts, and prompts
 * share the policy of their repetition. Variance after Cameron, Gelbach and Miller (2011): that of the seed means
 * plus that of the prompt means minus the cell-wise one, each with its n / (n - 1), never below the larger of the two
 * single-clustered ones. With several seeds the quantile is Student's with seeds - 1 degrees of freedom; with one seed
 * only the spread over prompts is known, and the interval says nothing of other seeds.
 */
export function clusteredMean(scores: readonly (readonly number[])[]): Interval {
  const [seeds, prompts] = [scores.length, scores[0]?.length ?? 0];
  if (seeds === 0 || prompts === 0 || scores.some((list) => list.length !== prompts)) {
    const problem = `scores: got lists of ${scores.map((list) => list.length).join(', ') || 'nothing'}; expected one score per prompt for every seed`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', `clusteredMean: ${problem}`, { argument: 'scores' });
  }
  const seedMeans = scores.map(average);
  const promptMeans = Array.from({ length: prompts }, (_, p) => average(scores.map((list) => list[p]!)));
  const mean = average(seedMeans);
  const bySeed = varianceOfMean(seedMeans, mean);
  const byPrompt = varianceOfMean(promptMeans, mean);
  const byCell = varianceOfMean(scores.flat(), mean);
  const variance = Math.max(bySeed + byPrompt - byCell, bySeed, byPrompt);
  const freedom = seeds > 1 ? seeds - 1 : prompts - 1;
  const half = freedom > 0 ? studentQuantile(freedom) * Math.sqrt(variance) : Number.POSITIVE_INFINITY;
  return { mean, low: mean - half, high: mean + half };
}

/** The mean of b - a with its interval; both over the same seeds and prompts. */
export function pairedDifference(
  a: readonly (readonly number[])[],
  b: readonly (readonly number[])[],
): Interval {
  if (a.length !== b.length || a.some((list, s) => list.length !== b[s]!.length)) {
    const problem = 'pairedDifference: a and b: are not over the same seeds and prompts';
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'b' });
  }
  return clusteredMean(a.map((list, s) => list.map((score, p) => b[s]![p]! - score)));
}

export type Standing = 'above' | 'below' | 'inconclusive';

/** What a difference allows to be said. */
export function standing({ low, high }: Interval): Standing {
  return low > 0 ? 'above' : high < 0 ? 'below' : 'inconclusive';
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Variance of the mean of independent values; 0 where there is only one, which tells nothing. */
function varianceOfMean(values: readonly number[], mean: number): number {
  const n = values.length;
  if (n < 2) return 0;
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1) / n;
}
