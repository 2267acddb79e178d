/** A half-open span of UTF-16 code units. */
export interface Span {
  start: number;
  end: number;
}

/**
 * Cuts a response into steps. The spans are in order, non-empty, and cover the text exactly: the concatenated
 * slices equal the text. An empty text has no steps. Deterministic given (text, configuration).
 */
export interface Segmenter {
  /** Name and configuration hash; stored with every step. */
  readonly id: string;
  segment(text: string): Span[];
}
