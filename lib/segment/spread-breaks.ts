import type { Break } from './sentence-breaks.ts';

/**
 * The breaks that cut a text into about `steps` equally long steps: around each of the ideal places the strongest
 * break no further away than half a step, of equals the nearest. Where there is none, there is one step fewer.
 */
export function spreadBreaks(breaks: readonly Break[], length: number, steps: number): Break[] {
  const chosen: Break[] = [];
  const width = length / steps;
  let next = 0;
  for (let k = 1; k < steps; k++) {
    const ideal = k * width;
    let best: Break | undefined;
    // The windows touch and do not overlap, so the chosen places are in order and no break is looked at twice.
    for (; next < breaks.length && breaks[next]!.at <= ideal + width / 2; next++) {
      const candidate = breaks[next]!;
      if (candidate.at > ideal - width / 2 && isBetter(candidate, best, ideal)) best = candidate;
    }
    if (best !== undefined) chosen.push(best);
  }
  return chosen;
}

function isBetter(candidate: Break, best: Break | undefined, ideal: number): boolean {
  if (best === undefined) return true;
  if (candidate.strength !== best.strength) return candidate.strength > best.strength;
  return Math.abs(candidate.at - ideal) < Math.abs(best.at - ideal);
}

/** Shares of a target over parts, in proportion to their lengths, at least 1 each; in all the target where it can be. */
export function shareOut(target: number, lengths: readonly number[]): number[] {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const shares = lengths.map((length) => Math.max(1, Math.floor((target * length) / total)));
  let left = target - shares.reduce((sum, share) => sum + share, 0);
  const byRemainder = lengths
    .map((length, index) => ({ index, rest: (target * length) / total - shares[index]! }))
    .sort((a, b) => b.rest - a.rest || a.index - b.index);
  for (const { index, rest } of byRemainder) {
    if (left <= 0 || rest <= 0) break;
    shares[index]!++;
    left--;
  }
  return shares;
}
