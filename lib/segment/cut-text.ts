import { LapidaryError } from '../errors.ts';
import { type BreakSource, cutZone } from './cut-zone.ts';
import { GraphemeCuts } from './grapheme-cuts.ts';
import { LengthLimit } from './length-limit.ts';
import type { Segmentation, SegmentStats, Span, TokenOwners } from './segmenter.ts';
import { shareOut } from './spread-breaks.ts';
import { zones } from './zones.ts';

/** The lengths that every segmenter keeps to. In rank: the maxima, then the minimum, then the target. */
export interface LengthOptions {
  /** Shorter pieces are joined to the next one of their zone, as long as the maxima allow. In UTF-16 units. */
  minChars?: number;
  /** No step is longer, unless one visible character (a grapheme cluster) is. In UTF-16 units. */
  maxChars?: number;
  /** No step has more tokens, unless one visible character has. Needs the token ids of every response. */
  maxTokens?: number | null;
  /** Aims at this many steps a response, about equally long, cut at the strongest breaks. Null: as they come. */
  targetSteps?: number | null;
}

export interface Lengths {
  minChars: number;
  maxChars: number;
  maxTokens: number | null;
  targetSteps: number | null;
}

/** The options with their defaults; throws ERR_LAPIDARY_ARGUMENT naming the one at fault. */
export function checkLengths(options: LengthOptions): Lengths {
  const { minChars = 200, maxChars = 2000, maxTokens = null, targetSteps = null } = options;
  checkLength('minChars', minChars, 1);
  checkLength('maxChars', maxChars, minChars);
  if (maxTokens !== null) checkLength('maxTokens', maxTokens, 1);
  if (targetSteps !== null) checkLength('targetSteps', targetSteps, 1);
  return { minChars, maxChars, maxTokens, targetSteps };
}

/** Cuts a response zone by zone, at the breaks that the source proposes. */
export function cutText(
  text: string,
  owners: TokenOwners | undefined,
  lengths: Lengths,
  source: BreakSource,
): Segmentation {
  const { minChars, maxChars, maxTokens, targetSteps } = lengths;
  if (maxTokens !== null && owners === undefined) {
    throw argumentError(
      'maxTokens',
      `${maxTokens}: counts stored tokens, and this response has no token ids`,
    );
  }
  const stats: SegmentStats = { steps: 0, atomicRegions: 0, atomicCuts: 0, splitPieces: 0, mergedPieces: 0 };
  const spans: Span[] = [];
  const whole = wholeZones(text);
  const sizes = whole.map(({ start, end }) => end - start);
  const targets = targetSteps === null ? null : shareOut(targetSteps, sizes);
  for (const [index, zone] of whole.entries()) {
    const limit = new LengthLimit({ maxChars, maxTokens, owners: owners ?? null }, zone.start);
    const rules = { minChars, maxChars, limit, targetSteps: targets?.[index] ?? null };
    const cut = cutZone({ text: text.slice(zone.start, zone.end), start: zone.start }, rules, source);
    for (const { start, end } of cut.spans) spans.push({ start: zone.start + start, end: zone.start + end });
    stats.atomicRegions += cut.atomicRegions;
    stats.atomicCuts += cut.atomicCuts;
    stats.splitPieces += cut.splitPieces;
    stats.mergedPieces += cut.mergedPieces;
  }
  stats.steps = spans.length;
  return { spans, stats };
}

/** The zones, with their edges moved so that no visible character is split. */
export function wholeZones(text: string): Span[] {
  const cuts = new GraphemeCuts(text);
  const edges = new Set(zones(text).map((zone) => cuts.after(zone.start)));
  const starts = [...edges].filter((start) => start < text.length);
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? text.length }));
}

function checkLength(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw argumentError(name, `${value}: expected an integer of at least ${least}`);
}

function argumentError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}
