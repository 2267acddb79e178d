import { lowerBound } from './region-search.ts';
import type { TokenOwners } from './segmenter.ts';

export interface MaximumLengths {
  maxChars: number;
  /** Null: no maximum in tokens. */
  maxTokens: number | null;
  owners: TokenOwners | null;
}

/** How far a step that starts at a place may reach, in characters and in tokens. Places count from `base`. */
export class LengthLimit {
  readonly #lengths: MaximumLengths;
  readonly #base: number;

  constructor(lengths: MaximumLengths, base: number) {
    this.#lengths = lengths;
    this.#base = base;
  }

  /** The last place where a step from `start` may end; `start` itself where one character has too many tokens. */
  reach(start: number): number {
    const { maxChars, maxTokens, owners } = this.#lengths;
    if (maxTokens === null || owners === null) return start + maxChars;
    const first = lowerBound(owners.length, (i) => owners[i]! >= this.#base + start);
    const beyond = owners[first + maxTokens];
    if (beyond === undefined) return start + maxChars;
    return Math.min(start + maxChars, Math.max(start, beyond - this.#base));
  }

  fits(start: number, end: number): boolean {
    return end <= this.reach(start);
  }
}
