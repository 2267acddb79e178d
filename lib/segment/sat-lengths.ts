import type { Candidate } from './sat-candidates.ts';
import { type LengthPrior, logPrior } from './sat-priors.ts';

export interface LengthSearch {
  minLength: number;
  maxLength: number;
  prior: LengthPrior;
}

/**
 * The boundaries with the highest sum of log prior(length of each piece) and log probability(of each boundary), among
 * those whose pieces all have lengths in [minLength, maxLength] (Viterbi; of equals the longest last piece). The
 * minimum is given up where nothing satisfies both. Undefined where nothing satisfies the maximum and the prior.
 */
export function viterbiBoundaries(
  candidates: readonly Candidate[],
  length: number,
  search: LengthSearch,
): number[] | undefined {
  const strict = bestPath(candidates, length, search);
  if (strict !== undefined || search.minLength === 1) return strict;
  return bestPath(candidates, length, { ...search, minLength: 1 });
}

function bestPath(
  candidates: readonly Candidate[],
  length: number,
  search: LengthSearch,
): number[] | undefined {
  const { minLength, maxLength, prior } = search;
  const places = [0, ...candidates.map(({ at }) => at), length];
  const scores = new Float64Array(places.length).fill(Number.NEGATIVE_INFINITY);
  const from = new Int32Array(places.length).fill(-1);
  scores[0] = 0;
  let first = 0;
  for (let i = 1; i < places.length; i++) {
    while (places[i]! - places[first]! > maxLength) first++;
    const own = i === places.length - 1 ? 0 : Math.log(candidates[i - 1]!.probability);
    for (let j = first; j < i && places[i]! - places[j]! >= minLength; j++) {
      const score = scores[j]! + logPrior(prior, places[i]! - places[j]!) + own;
      if (score > scores[i]!) {
        scores[i] = score;
        from[i] = j;
      }
    }
  }
  if (scores.at(-1) === Number.NEGATIVE_INFINITY) return undefined;
  const path: number[] = [];
  for (let i = from.at(-1)!; i > 0; i = from[i]!) path.push(places[i]!);
  return path.reverse();
}

/**
 * The same from left to right without looking ahead: each piece ends at the place with the highest prior(length) *
 * probability (the end of the text has probability 1), of equals the first. A last piece that is too short joins the
 * one before where that fits. Where no place is in reach the next one is taken, and the piece is longer than the
 * maximum.
 */
export function greedyBoundaries(
  candidates: readonly Candidate[],
  length: number,
  search: LengthSearch,
): number[] {
  const { minLength, maxLength } = search;
  const ends = [...candidates, { at: length, probability: 1 }];
  const chosen: number[] = [];
  let start = 0;
  let next = 0;
  while (start < length) {
    while (next < ends.length - 1 && ends[next]!.at < start + minLength) next++;
    const end = bestEnd(ends, next, start, search);
    if (end >= length) break;
    chosen.push(end);
    start = end;
  }
  const before = chosen.at(-2) ?? 0;
  const short = chosen.length > 0 && length - chosen.at(-1)! < minLength;
  if (short && length - before <= maxLength) chosen.pop();
  return chosen;
}

function bestEnd(ends: readonly Candidate[], next: number, start: number, search: LengthSearch): number {
  let best = ends[next]!.at;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let i = next; i < ends.length && ends[i]!.at - start <= search.maxLength; i++) {
    const { at, probability } = ends[i]!;
    const score = logPrior(search.prior, at - start) + Math.log(probability);
    if (score > bestScore) [best, bestScore] = [at, score];
  }
  return best;
}
