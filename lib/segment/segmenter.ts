/** A half-open span of UTF-16 code units. */
export interface Span {
  start: number;
  end: number;
}

/**
 * For each stored token the position of the character that decides its step, never decreasing; see `tokenOwners`.
 * A step [start, end) has the tokens whose owner is in [start, end).
 */
export type TokenOwners = Uint32Array;

/** What the cutting did, for logs: a rule that won over another is counted, never hidden. */
export interface SegmentStats {
  steps: number;
  atomicRegions: number;
  /** Boundaries inside an atomic region: only where the region alone is longer than the maximum. */
  atomicCuts: number;
  /** Pieces that were longer than the maximum. */
  splitPieces: number;
  /** Pieces shorter than `minChars` that were joined to a neighbour. */
  mergedPieces: number;
}

export interface Segmentation {
  spans: Span[];
  stats: SegmentStats;
}

/**
 * Cuts a response into steps. The spans are in order, non-empty, and cover the text exactly: the concatenated
 * slices equal the text. An empty text has no steps. Deterministic given (text, token owners, configuration).
 */
export interface Segmenter {
  /** Name and configuration hash; stored with every step. */
  readonly id: string;
  /** `owners` are needed where the configuration has a maximum in tokens. */
  segment(text: string, owners?: TokenOwners): Span[];
}

export interface SegmentInput {
  text: string;
  owners?: TokenOwners;
}

/** A segmenter that waits for something (a model), and is given many responses at once to make full batches. */
export interface AsyncSegmenter {
  readonly id: string;
  segmentMany(inputs: readonly SegmentInput[], options?: { signal?: AbortSignal }): Promise<Span[][]>;
}
