import { matchBoxes, matchEnvironments } from './latex-pairs.ts';
import { lowerBound } from './region-search.ts';
import type { Span } from './segmenter.ts';

/**
 * Regions of a text that a step boundary must not cut: fenced code, inline code, `$…$`, `$$…$$`, `\[…\]`, `\(…\)`,
 * `\begin…\end`, `\boxed{…}` and tables. In order, disjoint, outermost only.
 *
 * A region that is never closed (a response cut off, a stray dollar sign) reaches to the end of its paragraph; an
 * open fence reaches to the end of the text, but no further than `maxChars`.
 */
export function atomicRegions(text: string, maxChars: number): Span[] {
  return new RegionScanner(text, maxChars).scan();
}

interface FenceLine {
  at: number;
  char: string;
  run: number;
}

/** The lines that can close a fence: three or more backticks or tildes and nothing else. */
function bareFenceLines(text: string): FenceLine[] {
  return Array.from(text.matchAll(/^[ \t]{0,16}(`{3,}|~{3,})[ \t\r]{0,16}$/gm), (match) => {
    const marks = match[1]!;
    return { at: match.index + match[0].indexOf(marks), char: marks[0]!, run: marks.length };
  });
}

const SPECIAL = /[\\$`~|]/g;

/** One pass; every opener either consumes its region or one character, and look-ups of closers are remembered. */
class RegionScanner {
  readonly #text: string;
  readonly #maxChars: number;
  readonly #next = new Map<string, number>();
  readonly #environments: ReadonlyMap<number, number>;
  readonly #boxes: ReadonlyMap<number, number>;
  readonly #fenceLines: readonly FenceLine[];
  readonly #openForever = new Set<string>();

  constructor(text: string, maxChars: number) {
    this.#text = text;
    this.#maxChars = maxChars;
    this.#environments = matchEnvironments(text);
    this.#boxes = matchBoxes(text);
    this.#fenceLines = bareFenceLines(text);
  }

  scan(): Span[] {
    const regions: Span[] = [];
    const pattern = new RegExp(SPECIAL);
    for (let match = pattern.exec(this.#text); match !== null; match = pattern.exec(this.#text)) {
      const start = match.index;
      const end = this.#regionEnd(start, match[0]);
      if (end > start) regions.push({ start, end });
      pattern.lastIndex = end > start ? end : this.#afterOpener(start, match[0]);
    }
    return regions;
  }

  /** End of the region that opens here, or -1. */
  #regionEnd(at: number, char: string): number {
    if (char === '\\') return this.#latexEnd(at);
    if (char === '$') return this.#text[at + 1] === '$' ? this.#displayEnd(at, '$$') : this.#dollarEnd(at);
    if (char === '|') return this.#tableEnd(at);
    const run = this.#runLength(at, char);
    if (run >= 3 && this.#startsLine(at)) return this.#fenceEnd(at, char, run);
    return char === '`' ? this.#inlineCodeEnd(at, run) : -1;
  }

  /** Where to go on when nothing opened: past an escaped character, past a run of the same character. */
  #afterOpener(at: number, char: string): number {
    if (char === '\\') return at + 2;
    return char === '`' || char === '~' ? at + this.#runLength(at, char) : at + 1;
  }

  #latexEnd(at: number): number {
    if (this.#text.startsWith('\\[', at)) return this.#displayEnd(at, '\\]');
    if (this.#text.startsWith('\\(', at)) return this.#displayEnd(at, '\\)');
    const environment = this.#environments.get(at);
    if (environment !== undefined) return environment >= 0 ? environment : this.#paragraphEnd(at);
    const box = this.#boxes.get(at);
    if (box === undefined) return -1;
    // A brace far away does not close a box that was left open here.
    const paragraphEnd = this.#paragraphEnd(at);
    return box >= 0 && box <= paragraphEnd ? box : paragraphEnd;
  }

  /** Models do put blank lines inside displays, so the closer may be in a later paragraph, but not far away. */
  #displayEnd(at: number, closer: string): number {
    const end = this.#find(closer, at + 2);
    const paragraphEnd = this.#paragraphEnd(at);
    if (end < 0) return paragraphEnd;
    if (end + 2 <= paragraphEnd) return end + 2;
    const opener = this.#text.slice(at, at + 2);
    const reopened = opener === closer ? -1 : this.#find(opener, at + 2);
    const near = closer !== '\\)' && end + 2 - at <= this.#maxChars;
    return near && (reopened < 0 || reopened > end) ? end + 2 : paragraphEnd;
  }

  #dollarEnd(at: number): number {
    const paragraphEnd = this.#paragraphEnd(at);
    let end = this.#find('$', at + 1);
    while (end > 0 && this.#text[end - 1] === '\\') end = this.#find('$', end + 1);
    const price = /\d/.test(this.#text[at + 1] ?? '');
    if (end < 0 || end >= paragraphEnd) return price ? -1 : paragraphEnd;
    // "$50 - $35": a dollar sign before a digit and after a space opens the next price; it closes nothing.
    const nextPrice = /\s/.test(this.#text[end - 1] ?? '') && /\d/.test(this.#text[end + 1] ?? '');
    return price && nextPrice ? -1 : end + 1;
  }

  #inlineCodeEnd(at: number, run: number): number {
    const paragraphEnd = this.#paragraphEnd(at);
    const ticks = '`'.repeat(run);
    let end = this.#find(ticks, at + run);
    while (end >= 0 && end < paragraphEnd) {
      const length = this.#runLength(end, '`');
      if (length === run) return end + run;
      end = this.#find(ticks, end + length);
    }
    return paragraphEnd;
  }

  /** A fence closes at a line of at least as many of the same characters and nothing else. */
  #fenceEnd(at: number, char: string, run: number): number {
    const key = char.repeat(run);
    // Where one opener of this kind found no closer, no later one will.
    if (!this.#openForever.has(key)) {
      const lines = this.#fenceLines;
      for (let i = lowerBound(lines.length, (k) => lines[k]!.at > at); i < lines.length; i++) {
        const line = lines[i]!;
        if (line.char === char && line.run >= run) return line.at + line.run;
      }
      this.#openForever.add(key);
    }
    return Math.min(this.#text.length, at + Math.max(this.#maxChars, run));
  }

  /** Two or more lines in a row that start with a bar. */
  #tableEnd(at: number): number {
    if (!this.#startsLine(at)) return -1;
    let end = this.#lineEnd(at);
    let rows = 1;
    for (; /^[ \t]{0,8}\|/.test(this.#text.slice(end, end + 9)); rows++) end = this.#lineEnd(end);
    return rows > 1 ? at + this.#text.slice(at, end).trimEnd().length : -1;
  }

  #startsLine(at: number): boolean {
    let before = at - 1;
    while (before >= 0 && (this.#text[before] === ' ' || this.#text[before] === '\t') && at - before < 100)
      before--;
    return before < 0 || this.#text[before] === '\n';
  }

  #runLength(at: number, char: string): number {
    let end = at;
    while (this.#text[end] === char) end++;
    return end - at;
  }

  /** Position after the line break that ends this line. */
  #lineEnd(at: number): number {
    const end = this.#find('\n', at);
    return end < 0 ? this.#text.length : end + 1;
  }

  /** Position of the blank line that ends this paragraph, or the end of the text. */
  #paragraphEnd(at: number): number {
    let end = this.#next.get('') ?? -1;
    if (end < at) {
      const blank = /\r?\n[ \t\r]*\n/g;
      blank.lastIndex = at;
      end = blank.exec(this.#text)?.index ?? this.#text.length;
      this.#next.set('', end);
    }
    return end;
  }

  /** indexOf that remembers its last hit, because many openers ask for the same distant closer. */
  #find(needle: string, from: number): number {
    const known = this.#next.get(needle);
    const asked = this.#next.get(`${needle}?`) ?? Number.POSITIVE_INFINITY;
    if (known !== undefined && asked <= from && (known < 0 || known >= from)) return known;
    const found = this.#text.indexOf(needle, from);
    this.#next.set(needle, found);
    this.#next.set(`${needle}?`, from);
    return found;
  }
}
