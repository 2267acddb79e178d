import type { Span } from './segmenter.ts';

/** The region that a cut at this place would split, if any. Regions are in order. */
export function regionAround(regions: readonly Span[], at: number): Span | undefined {
  // The last region that starts before `at`.
  const index = lowerBound(regions.length, (i) => regions[i]!.start >= at) - 1;
  const region = regions[index];
  return region !== undefined && at < region.end ? region : undefined;
}

export function isInside(regions: readonly Span[], at: number): boolean {
  return regionAround(regions, at) !== undefined;
}

/** First index in 0..length for which the condition holds, given that it never turns false again. */
export function lowerBound(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
