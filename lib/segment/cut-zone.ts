import { atomicRegions } from './atomic-regions.ts';
import { GraphemeCuts } from './grapheme-cuts.ts';
import type { LengthLimit } from './length-limit.ts';
import { PieceSplitter } from './piece-splitter.ts';
import { isInside } from './region-search.ts';
import type { Span } from './segmenter.ts';
import type { Break } from './sentence-breaks.ts';
import { spreadBreaks } from './spread-breaks.ts';

/** Where a zone may be cut: between visible characters, outside atomic regions. */
export interface LegalPlaces {
  readonly regions: readonly Span[];
  readonly cuts: GraphemeCuts;
  allows(at: number): boolean;
}

/** A zone's text and where it starts in the response. */
export interface Zone {
  text: string;
  start: number;
}

export interface ZoneBreaks {
  /** Where steps end, before short ones are joined and long ones split. */
  units: readonly Break[];
  /** Legal places that split a step that is too long, and that a target number of steps is chosen from. */
  finer: readonly Break[];
}

/** Proposes the breaks of a zone; all else is the same for every segmenter. Both lists are in order. */
export type BreakSource = (zone: Zone, legal: LegalPlaces) => ZoneBreaks;

export interface ZoneRules {
  minChars: number;
  maxChars: number;
  limit: LengthLimit;
  /** How many steps to aim at; null: as many as the units make. */
  targetSteps: number | null;
}

export interface ZoneCut {
  /** Contiguous, non-empty, covering the zone. */
  spans: Span[];
  atomicRegions: number;
  atomicCuts: number;
  splitPieces: number;
  mergedPieces: number;
}

/** Cuts one zone: at the breaks of the unit, then joins what is too short, splits what is too long, joins again. */
export function cutZone(zone: Zone, rules: ZoneRules, source: BreakSource): ZoneCut {
  const { text } = zone;
  const cuts = new GraphemeCuts(text);
  const raw = atomicRegions(text, rules.maxChars);
  // Widened to whole visible characters, so that the edge of a region is always a legal cut.
  const regions = raw.map(({ start, end }) => ({ start: cuts.before(start), end: cuts.after(end) }));
  const allows = (at: number): boolean => !isInside(regions, at) && cuts.allows(at);
  const { units, finer } = source(zone, { regions, cuts, allows });
  const { targetSteps } = rules;
  const chosen = targetSteps === null ? units : spreadBreaks(finer, text.length, targetSteps);
  const pieces = piecesBetween(chosen, text.length);
  const joined = joinShort(pieces, rules);
  const splitter = new PieceSplitter({ text, breaks: finer, regions, cuts, limit: rules.limit });
  const split = joined.flatMap((piece) => splitter.split(piece));
  // What splitting left over may be short again, and fit to the next piece.
  const spans = joinShort(split, rules);
  return {
    spans,
    atomicRegions: raw.length,
    atomicCuts: splitter.atomicCuts,
    splitPieces: splitter.splitPieces,
    mergedPieces: pieces.length - joined.length + split.length - spans.length,
  };
}

function piecesBetween(breaks: readonly Break[], length: number): Span[] {
  const starts = [0, ...breaks.map(({ at }) => at)];
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? length }));
}

/** A short piece joins the next one; the last one, with nothing to follow, joins the one before it. */
function joinShort(pieces: readonly Span[], { minChars, limit }: ZoneRules): Span[] {
  const joined: Span[] = [];
  const tooShort = (span: Span): boolean => span.end - span.start < minChars;
  for (const [index, piece] of pieces.entries()) {
    const last = joined.at(-1);
    const short = last !== undefined && (tooShort(last) || (index === pieces.length - 1 && tooShort(piece)));
    // The maximum wins: a short piece stays alone where joining it would force a cut elsewhere.
    if (short && limit.fits(last.start, piece.end)) last.end = piece.end;
    else joined.push({ ...piece });
  }
  return joined;
}
