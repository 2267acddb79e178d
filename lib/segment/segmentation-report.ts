import type { Rollout, Step } from '../data/records.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { atomicRegions } from './atomic-regions.ts';
import { wholeZones } from './cut-text.ts';
import { isInside } from './region-search.ts';
import type { Span } from './segmenter.ts';
import { tokenCharacters } from './token-owners.ts';

export interface LengthQuantiles {
  min: number;
  p05: number;
  p25: number;
  p50: number;
  p75: number;
  p95: number;
  max: number;
  mean: number;
}

export interface SegmentationReport {
  responses: number;
  steps: number;
  /** Responses whose steps do not spell the text; must be 0. */
  reconstructionFailures: number;
  /** Boundaries inside an atomic region; above 0 only where the maximum forced it, or for unit "line". */
  atomicCuts: number;
  atomicRegions: number;
  /** Tokens of the responses with token ids; null without any. */
  tokens: number | null;
  /** Tokens with bytes in more than one step, as when a space on the left of a boundary is glued to the next word. */
  straddlingTokens: number | null;
  straddlingRate: number | null;
  /** Steps that own no token. */
  stepsWithoutTokens: number | null;
  charsPerStep: LengthQuantiles | null;
  tokensPerStep: LengthQuantiles | null;
  stepsPerResponse: LengthQuantiles | null;
}

export interface ReportInput {
  rollouts: readonly Rollout[];
  /** The steps of one segmenter, in order. */
  steps: readonly Step[];
  /** For straddling tokens; null leaves those counts out. */
  tokenizer: Tokenizer | null;
  /** The segmenter's maximum, which bounds atomic regions that are never closed. */
  maxChars?: number;
}

/** What can be told of a segmentation without a reference, computed from the stored steps alone. */
export function segmentationReport(input: ReportInput): SegmentationReport {
  const { rollouts, steps, tokenizer, maxChars = 2000 } = input;
  const byRollout = stepsByRollout(steps);
  const totals = { failures: 0, cuts: 0, regions: 0, tokens: 0, straddling: 0 };
  const perResponse: number[] = [];
  for (const rollout of rollouts) {
    const own = byRollout.get(rollout.rollout_id) ?? [];
    const text = rollout.response_text;
    perResponse.push(own.length);
    if (own.map((step) => text.slice(step.char_start, step.char_end)).join('') !== text) totals.failures++;
    const regions = regionsOf(text, maxChars);
    totals.regions += regions.length;
    totals.cuts += own.filter(({ k, char_start: at }) => k > 0 && isInside(regions, at)).length;
    if (tokenizer === null || rollout.response_ids == null) continue;
    totals.tokens += rollout.response_ids.length;
    totals.straddling += straddling(text, rollout.response_ids, tokenizer, own);
  }
  const tokenCounts = steps.flatMap((step) =>
    step.token_start === null || step.token_end === null ? [] : [step.token_end - step.token_start],
  );
  const counted = totals.tokens > 0;
  return {
    responses: rollouts.length,
    steps: steps.length,
    reconstructionFailures: totals.failures,
    atomicCuts: totals.cuts,
    atomicRegions: totals.regions,
    tokens: counted ? totals.tokens : null,
    straddlingTokens: counted ? totals.straddling : null,
    straddlingRate: counted ? totals.straddling / totals.tokens : null,
    stepsWithoutTokens: tokenCounts.length === 0 ? null : tokenCounts.filter((count) => count === 0).length,
    charsPerStep: quantiles(steps.map((step) => step.char_end - step.char_start)),
    tokensPerStep: quantiles(tokenCounts),
    stepsPerResponse: quantiles(perResponse),
  };
}

function stepsByRollout(steps: readonly Step[]): Map<string, Step[]> {
  const byRollout = new Map<string, Step[]>();
  for (const step of steps) {
    const own = byRollout.get(step.rollout_id);
    if (own === undefined) byRollout.set(step.rollout_id, [step]);
    else own.push(step);
  }
  return byRollout;
}

/** The atomic regions of each zone, as places in the whole text. */
function regionsOf(text: string, maxChars: number): Span[] {
  return wholeZones(text).flatMap((zone) =>
    atomicRegions(text.slice(zone.start, zone.end), maxChars).map(({ start, end }) => ({
      start: zone.start + start,
      end: zone.start + end,
    })),
  );
}

function straddling(
  text: string,
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
  steps: readonly Step[],
): number {
  const { first, last } = tokenCharacters(text, ids, tokenizer);
  let [count, k] = [0, 0];
  for (let i = 0; i < first.length; i++) {
    if (first[i]! < 0) continue;
    while (k < steps.length - 1 && first[i]! >= steps[k]!.char_end) k++;
    if (steps.length > 0 && last[i]! >= steps[k]!.char_end) count++;
  }
  return count;
}

/** By the nearest rank: each quantile is a length that occurs. Null without lengths. */
export function quantiles(lengths: readonly number[]): LengthQuantiles | null {
  if (lengths.length === 0) return null;
  const sorted = Float64Array.from(lengths).sort();
  const at = (p: number): number => sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)]!;
  return {
    min: at(0),
    p05: at(0.05),
    p25: at(0.25),
    p50: at(0.5),
    p75: at(0.75),
    p95: at(0.95),
    max: at(1),
    mean: lengths.reduce((sum, length) => sum + length, 0) / lengths.length,
  };
}
