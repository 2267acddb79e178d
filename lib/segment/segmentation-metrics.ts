import { LapidaryError } from '../errors.ts';
import type { Span } from './segmenter.ts';

/** Two segmentations of one text. */
export interface SegmentationPair {
  reference: readonly Span[];
  predicted: readonly Span[];
}

export interface MetricOptions {
  /** Characters by which a boundary may be off and still count in `within`. */
  window?: number;
  /** The k of P_k and WindowDiff, in characters; absent: half the mean length of the reference's steps of each text. */
  k?: number;
}

export interface BoundaryScore {
  precision: number;
  recall: number;
  f1: number;
}

export interface SegmentationMetrics {
  texts: number;
  referenceSteps: number;
  predictedSteps: number;
  exact: BoundaryScore;
  /** Boundaries paired one to one, no further apart than the window. */
  within: BoundaryScore & { window: number };
  /** Beeferman, Berger, Lafferty 1999: how often two places k apart are wrongly held to be in one step or in two. */
  pk: number | null;
  /** Pevzner, Hearst 2002: how often the number of boundaries between two places k apart differs. */
  windowDiff: number | null;
  /** Mean distance in characters from a predicted boundary to the nearest of the reference; null without any. */
  meanDisplacement: number | null;
  /** (predicted - reference) / reference, in steps: above 0 is cut too finely. */
  bias: number | null;
}

/**
 * How a segmentation differs from a reference one. Counts and windows are summed over all texts before they are divided,
 * so long texts count for more. Boundaries are the places between steps; the ends of a text are none. Where neither
 * side has any, precision, recall and F1 are 1. P_k and WindowDiff leave out texts that are not longer than k.
 * Throws ERR_LAPIDARY_ARGUMENT where two segmentations are not of one text.
 */
export function segmentationMetrics(
  pairs: readonly SegmentationPair[],
  options: MetricOptions = {},
): SegmentationMetrics {
  const { window = 10, k } = options;
  const sums = new Sums();
  for (const [i, { reference, predicted }] of pairs.entries()) {
    const length = commonLength(reference, predicted, i);
    const [gold, found] = [boundariesOf(reference), boundariesOf(predicted)];
    sums.referenceSteps += reference.length;
    sums.predictedSteps += predicted.length;
    sums.gold += gold.length;
    sums.found += found.length;
    sums.exact += matched(gold, found, 0);
    sums.within += matched(gold, found, window);
    addDisplacement(sums, gold, found);
    if (reference.length === 0) continue;
    addWindows(sums, gold, found, length, k ?? Math.max(1, Math.round(length / reference.length / 2)));
  }
  return {
    texts: pairs.length,
    referenceSteps: sums.referenceSteps,
    predictedSteps: sums.predictedSteps,
    exact: score(sums.exact, sums),
    within: { ...score(sums.within, sums), window },
    pk: ratio(sums.pkErrors, sums.windows),
    windowDiff: ratio(sums.diffErrors, sums.windows),
    meanDisplacement: ratio(sums.distance, sums.displaced),
    bias: ratio(sums.predictedSteps - sums.referenceSteps, sums.referenceSteps),
  };
}

class Sums {
  referenceSteps = 0;
  predictedSteps = 0;
  gold = 0;
  found = 0;
  exact = 0;
  within = 0;
  distance = 0;
  displaced = 0;
  pkErrors = 0;
  diffErrors = 0;
  windows = 0;
}

function boundariesOf(spans: readonly Span[]): number[] {
  return spans.slice(1).map(({ start }) => start);
}

function commonLength(reference: readonly Span[], predicted: readonly Span[], index: number): number {
  const [length, other] = [reference.at(-1)?.end ?? 0, predicted.at(-1)?.end ?? 0];
  if (length === other) return length;
  const problem = `pairs[${index}]: the reference covers ${length} characters, the prediction ${other}: expected one text`;
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'pairs' });
}

/** The most pairs of a boundary of each that are at most `window` apart: on a line, pairing from the left finds it. */
function matched(gold: readonly number[], found: readonly number[], window: number): number {
  let [pairs, i, j] = [0, 0, 0];
  while (i < gold.length && j < found.length) {
    const apart = gold[i]! - found[j]!;
    if (Math.abs(apart) <= window) pairs++;
    if (apart <= window) i++;
    if (apart >= -window) j++;
  }
  return pairs;
}

function addDisplacement(sums: Sums, gold: readonly number[], found: readonly number[]): void {
  if (gold.length === 0) return;
  let i = 0;
  for (const at of found) {
    while (i + 1 < gold.length && Math.abs(gold[i + 1]! - at) <= Math.abs(gold[i]! - at)) i++;
    sums.distance += Math.abs(gold[i]! - at);
    sums.displaced++;
  }
}

/** Windows between a character and the one k further on, for every character that has one. */
function addWindows(
  sums: Sums,
  gold: readonly number[],
  found: readonly number[],
  length: number,
  k: number,
): void {
  const [goldBefore, foundBefore] = [countsBefore(gold, length), countsBefore(found, length)];
  for (let at = 0; at + k < length; at++) {
    const inGold = goldBefore[at + k]! - goldBefore[at]!;
    const inFound = foundBefore[at + k]! - foundBefore[at]!;
    if ((inGold === 0) !== (inFound === 0)) sums.pkErrors++;
    if (inGold !== inFound) sums.diffErrors++;
    sums.windows++;
  }
}

/** How many boundaries lie at or before each character. */
function countsBefore(boundaries: readonly number[], length: number): Uint32Array {
  const counts = new Uint32Array(length);
  for (const at of boundaries) counts[at] = 1;
  for (let at = 1; at < length; at++) counts[at]! += counts[at - 1]!;
  return counts;
}

function score(pairs: number, { gold, found }: Sums): BoundaryScore {
  if (gold === 0 && found === 0) return { precision: 1, recall: 1, f1: 1 };
  return {
    precision: ratio(pairs, found) ?? 0,
    recall: ratio(pairs, gold) ?? 0,
    f1: (2 * pairs) / (gold + found),
  };
}

function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
