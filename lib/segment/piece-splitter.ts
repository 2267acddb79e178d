import { endsInLabel } from './dot-places.ts';
import type { GraphemeCuts } from './grapheme-cuts.ts';
import type { LengthLimit } from './length-limit.ts';
import { isInside, lowerBound, regionAround } from './region-search.ts';
import type { Span } from './segmenter.ts';
import type { Break } from './sentence-breaks.ts';

interface SplitterInput {
  text: string;
  /** Legal sentence, line and paragraph boundaries, in order. */
  breaks: readonly Break[];
  regions: readonly Span[];
  cuts: GraphemeCuts;
  limit: LengthLimit;
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
    const { limit, regions } = this.#input;
    const spans: Span[] = [];
    let start = piece.start;
    if (!limit.fits(start, piece.end)) this.splitPieces++;
    while (!limit.fits(start, piece.end)) {
      const at = this.#chooseCut(start, piece.end);
      if (at >= piece.end) break;
      if (isInside(regions, at)) this.atomicCuts++;
      spans.push({ start, end: at });
      start = at;
    }
    spans.push({ start, end: piece.end });
    return spans;
  }

  #chooseCut(start: number, end: number): number {
    const limit = Math.max(this.#input.limit.reach(start), start + 1);
    // The second half first: cuts near the start would leave crumbs, and make this loop quadratic.
    const half = start + Math.ceil((limit - start) / 2);
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

  /** The last place in [from, to] after whitespace and before something else, if possible not after "e.g." or "1.". */
  #whitespace(from: number, to: number, insideRegions: boolean): number | undefined {
    const { text, regions, cuts } = this.#input;
    let afterLabel: number | undefined;
    for (let at = to; at >= from; at--) {
      const region = insideRegions ? undefined : regionAround(regions, at);
      if (region !== undefined) {
        // Regions can be long: step over them in one go. The place before the region is looked at next.
        at = region.start + 1;
        continue;
      }
      if (!isSpace(text, at - 1) || isSpace(text, at) || !cuts.allows(at)) continue;
      if (!endsInLabel(text, at)) return at;
      afterLabel ??= at;
    }
    return afterLabel;
  }

  #lastResort(start: number, half: number, limit: number, end: number): number {
    const { regions, cuts } = this.#input;
    const at = cuts.before(limit);
    const region = regionAround(regions, at);
    if (region !== undefined && region.start > start) return region.start;
    if (region !== undefined) {
      const inside = this.#whitespace(half, limit, true);
      if (inside !== undefined) return inside;
    }
    return this.#between(start, this.#beforeWord(start, at), end);
  }

  /** The start of the number, name or URL that a cut here would split, where it fits into a step of its own. */
  #beforeWord(from: number, at: number): number {
    const { text, cuts, regions, limit } = this.#input;
    let start = at;
    while (start > from && isWordUnit(text, start) && isWordUnit(text, start - 1)) start--;
    const reach = limit.reach(start);
    let end = at;
    while (end <= reach && isWordUnit(text, end)) end++;
    // What looks like one word may begin in the region before it.
    const sameRegion = regionAround(regions, start) === regionAround(regions, at);
    return start > from && end <= reach && cuts.allows(start) && sameRegion ? start : at;
  }

  /** A visible character longer than the maximum stays whole. */
  #between(start: number, at: number, end: number): number {
    return at > start ? at : Math.min(this.#input.cuts.after(start + 1), end);
  }
}

function isSpace(text: string, at: number): boolean {
  return /\s/.test(text.charAt(at));
}

/** Printable ASCII: what "3.14", names and URLs are made of. */
function isWordUnit(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit > 0x20 && unit < 0x7f;
}
