export interface ContinuationRequest {
  /** Prompt and response so far, as token ids. */
  prefixes: readonly Int32Array[];
  /** Continuations of each prefix. */
  samples: number;
  /** One per prefix, whole numbers in [0, 2^53). */
  seeds: Float64Array;
}

/**
 * Continues responses from given token ids. What it gives for a prefix must follow from that prefix and its seed,
 * whatever other prefixes are asked for with it.
 */
export interface Continuer {
  /** Engine, weights and sampling settings; part of the judge's id. */
  readonly id: string;
  /** The new ids of each sample of each prefix; null for a prefix that leaves no room in the context. */
  continueFrom(
    request: ContinuationRequest,
    options?: { signal?: AbortSignal },
  ): Promise<(readonly Int32Array[] | null)[]>;
}
