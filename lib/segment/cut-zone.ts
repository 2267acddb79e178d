import { atomicRegions } from './atomic-regions.ts';
import { GraphemeCuts } from './grapheme-cuts.ts';
import { lineBreaks } from './line-breaks.ts';
import { PieceSplitter } from './piece-splitter.ts';
import { isInside } from './region-search.ts';
import type { Span } from './segmenter.ts';
import { type Break, Strength, sentenceBreaks } from './sentence-breaks.ts';

export interface ZoneRules {
  minChars: number;
  maxChars: number;
  unit: 'paragraph' | 'sentence' | 'line';
  markers: RegExp | null;
}

export interface ZoneCut {
  /** Contiguous, non-empty, covering the zone. */
  spans: Span[];
  atomicRegions: number;
  atomicCuts: number;
  splitPieces: number;
  mergedPieces: number;
}

/** Cuts one zone: at the breaks of the unit, then joins what is too short, then splits what is too long. */
export function cutZone(text: string, rules: ZoneRules): ZoneCut {
  const cuts = new GraphemeCuts(text);
  const raw = atomicRegions(text, rules.maxChars);
  // Widened to whole visible characters, so that the edge of a region is always a legal cut.
  const regions = raw.map(({ start, end }) => ({ start: cuts.before(start), end: cuts.after(end) }));
  const legal = sentenceBreaks(text, rules.markers).filter(
    ({ at }) => !isInside(regions, at) && cuts.allows(at),
  );
  const pieces = piecesBetween(unitBreaks(text, rules, legal, cuts), text.length);
  const { joined, mergedPieces } = joinShort(pieces, rules);
  const splitter = new PieceSplitter({ text, breaks: legal, regions, cuts, maxChars: rules.maxChars });
  const spans = joined.flatMap((piece) => splitter.split(piece));
  return {
    spans,
    atomicRegions: raw.length,
    atomicCuts: splitter.atomicCuts,
    splitPieces: splitter.splitPieces,
    mergedPieces,
  };
}

function unitBreaks(
  text: string,
  rules: ZoneRules,
  legal: readonly Break[],
  cuts: GraphemeCuts,
): readonly Break[] {
  if (rules.unit === 'line') return lineBreaks(text).filter(({ at }) => cuts.allows(at));
  if (rules.unit === 'sentence') return legal;
  return legal.filter(({ strength }) => strength >= Strength.reflection);
}

function piecesBetween(breaks: readonly Break[], length: number): Span[] {
  const starts = [0, ...breaks.map(({ at }) => at)];
  return starts.map((start, index) => ({ start, end: starts[index + 1] ?? length }));
}

/** A short piece joins the next one; the last one, with nothing to follow, joins the one before it. */
function joinShort(pieces: readonly Span[], rules: ZoneRules): { joined: Span[]; mergedPieces: number } {
  const joined: Span[] = [];
  const tooShort = (span: Span): boolean => span.end - span.start < rules.minChars;
  for (const [index, piece] of pieces.entries()) {
    const last = joined.at(-1);
    const short = last !== undefined && (tooShort(last) || (index === pieces.length - 1 && tooShort(piece)));
    // The maximum wins: a short piece stays alone where joining it would force a cut elsewhere.
    if (short && piece.end - last.start <= rules.maxChars) last.end = piece.end;
    else joined.push({ ...piece });
  }
  return { joined, mergedPieces: pieces.length - joined.length };
}
