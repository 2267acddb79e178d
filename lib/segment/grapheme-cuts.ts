import { windowedBoundaries } from './windowed-boundaries.ts';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Answers where a text may be cut without splitting a character that a reader sees as one. */
export class GraphemeCuts {
  readonly #length: number;
  /** 1 where a cut before this UTF-16 unit would split a character. */
  readonly #inside: Uint8Array;

  constructor(text: string) {
    this.#length = text.length;
    this.#inside = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at++) if (!isPlain(text.charCodeAt(at))) at = this.#markRun(text, at);
  }

  /** Marks a run of units that may join, with the plain ones beside it, which may join it. Gives the end of the run. */
  #markRun(text: string, at: number): number {
    let end = at;
    while (end < text.length && !isPlain(text.charCodeAt(end))) end++;
    const from = Math.max(0, at - 1);
    const run = text.slice(from, end + 1);
    this.#inside.fill(1, from + 1, Math.min(end + 1, text.length));
    for (const boundary of windowedBoundaries(graphemes, run, 1)) this.#inside[from + boundary] = 0;
    return end;
  }

  allows(at: number): boolean {
    return at <= 0 || at >= this.#length || this.#inside[at] === 0;
  }

  /** The last allowed cut at or before this place. */
  before(at: number): number {
    let cut = at;
    while (!this.allows(cut)) cut--;
    return cut;
  }

  /** The first allowed cut at or after this place. */
  after(at: number): number {
    let cut = at;
    while (!this.allows(cut)) cut++;
    return cut;
  }
}

/** Between two of these (printable ASCII, tab, line feed) there is always a boundary, and nearly all text is them. */
function isPlain(unit: number): boolean {
  return (unit >= 0x20 && unit < 0x7f) || unit === 0x0a || unit === 0x09;
}
