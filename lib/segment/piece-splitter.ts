import type { GraphemeCuts } from './grapheme-cuts.ts';
import { isInside, lowerBound, regionAround } from './region-search.ts';
import type { Span } from './segmenter.ts';
import type { Break } from './sentence-breaks.ts';

interface SplitterInput {
  text: string;
  /** Legal sentence, line and paragraph boundaries, in order. */
  breaks: readonly Break[];
  regions: readonly Span[];
  cuts: GraphemeCuts;
  maxChars: number;
}

/**
 * Splits pieces that are longer than the maximum, at the best place that fits: a boundary between sentences, else
 * whitespace, else the edge of an atomic region, else between two visible characters. Cuts inside an atomic
 * region only where the region alone is too long, and counts that.
 */
export class PieceSplitter {
  atomicCuts = 0;
  splitPieces = 0;
  readonly #input: SplitterInput;

  constructor(input: SplitterInput) {
    this.#input = input;
  }

  split(piece: Span): Span[] {
    const spans: Span[] = [];
    let start = piece.start;
    if (piece.end - start > this.#input.maxChars) this.splitPieces++;
    while (piece.end - start > this.#input.maxChars) {
      const at = this.#chooseCut(start, piece.end);
      if (at >= piece.end) break;
      if (isInside(this.#input.regions, at)) this.atomicCuts++;
      spans.push({ start, end: at });
      start = at;
    }
    spans.push({ start, end: piece.end });
    return spans;
  }

  #chooseCut(start: number, end: number): number {
    const limit = start + this.#input.maxChars;
    // The second half first: cuts near the start would leave crumbs, and make this loop quadratic.
    const half = start + Math.ceil(this.#input.maxChars / 2);
    return (
      this.#bestBreak(half, limit) ??
      this.#whitespace(half, limit, false) ??
      this.#bestBreak(start + 1, half) ??
      this.#lastResort(start, half, limit, end)
    );
  }

  /** The strongest boundary in [from, to], the last one of equals. */
  #bestBreak(from: number, to: number): number | undefined {
    const { breaks } = this.#input;
    let best: Break | undefined;
    const first = lowerBound(breaks.length, (i) => breaks[i]!.at >= from);
    for (let i = first; i < breaks.length && breaks[i]!.at <= to; i++) {
      if (best === undefined || breaks[i]!.strength >= best.strength) best = breaks[i];
    }
    return best?.at;
  }

  /** The last place in [from, to] after whitespace and before something else. */
  #whitespace(from: number, to: number, insideRegions: boolean): number | undefined {
    const { text, regions, cuts } = this.#input;
    for (let at = to; at >= from; at--) {
      const region = insideRegions ? undefined : regionAround(regions, at);
      if (region !== undefined) {
        // Regions can be long: step over them in one go. The place before the region is looked at next.
        at = region.start + 1;
        continue;
      }
      if (/\s/.test(text[at - 1] ?? '') && /\S/.test(text[at] ?? '') && cuts.allows(at)) return at;
    }
    return undefined;
  }

  #lastResort(start: number, half: number, limit: number, end: number): number {
    const { regions, cuts } = this.#input;
    const at = cuts.before(limit);
    const region = regionAround(regions, at);
    if (region !== undefined && region.start > start) return region.start;
    if (region !== undefined) return this.#whitespace(half, limit, true) ?? this.#between(start, at, end);
    return this.#between(start, at, end);
  }

  /** A visible character longer than the maximum stays whole. */
  #between(start: number, at: number, end: number): number {
    return at > start ? at : Math.min(this.#input.cuts.after(start + 1), end);
  }
}
