import { LapidaryError } from '../errors.ts';
import type { MonteCarloJudgeOptions } from './monte-carlo-judge.ts';
import { prefixKey } from './seeded-step.ts';

interface Entry {
  prefix: Int32Array;
  promptLength: number;
  seed: number;
  continuations: readonly Int32Array[] | null;
  /** Counts by gold answer: prompts of equal ids may have different ones. */
  counts: Map<string, VerdictCounts>;
}

export interface VerdictCounts {
  right: number;
  unknown: number;
}

/** The prefixes of a batch, each continued once however many responses share it. */
export class ContinuedPrefixes {
  readonly #options: Required<MonteCarloJudgeOptions>;
  readonly #entries = new Map<string, Entry>();
  readonly #billed = new Set<string>();
  seconds = 0;

  constructor(options: Required<MonteCarloJudgeOptions>) {
    this.#options = options;
  }

  add(prefix: Int32Array, promptLength: number): string {
    const { key, seed } = prefixKey(this.#options.seed, prefix, promptLength);
    if (!this.#entries.has(key)) {
      this.#entries.set(key, { prefix, promptLength, seed, continuations: null, counts: new Map() });
    }
    return key;
  }

  async run(signal: AbortSignal | undefined): Promise<void> {
    const entries = [...this.#entries.values()];
    if (entries.length === 0) return;
    const { continuer, samples } = this.#options;
    const started = performance.now();
    const request = {
      prefixes: entries.map(({ prefix }) => prefix),
      samples,
      seeds: Float64Array.from(entries, ({ seed }) => seed),
    };
    const results = await continuer.continueFrom(request, signal === undefined ? {} : { signal });
    this.seconds = (performance.now() - started) / 1000;
    const complete =
      results.length === entries.length && results.every((own) => (own?.length ?? samples) === samples);
    if (!complete) {
      const problem = `continuer ${continuer.id}: expected ${samples} continuations of each of ${entries.length} prefixes`;
      throw new LapidaryError('ERR_LAPIDARY_JUDGE', problem);
    }
    for (const [i, entry] of entries.entries()) entry.continuations = results[i]!;
  }

  /** Null where the prefix left no room to continue. */
  async verdicts(key: string, groundTruth: string): Promise<VerdictCounts | null> {
    const entry = this.#entries.get(key)!;
    if (entry.continuations === null) return null;
    const known = entry.counts.get(groundTruth);
    if (known !== undefined) return known;
    const { decode, verifier } = this.#options;
    const response = entry.prefix.subarray(entry.promptLength);
    const counts: VerdictCounts = { right: 0, unknown: 0 };
    for (const continuation of entry.continuations) {
      const ids = new Int32Array(response.length + continuation.length);
      ids.set(response);
      ids.set(continuation, response.length);
      const verdict = await verifier.verify(decode(ids), groundTruth);
      if (verdict !== 'wrong') counts[verdict]++;
    }
    entry.counts.set(groundTruth, counts);
    return counts;
  }

  /** Tokens sampled for these prefixes; each prefix is counted for the first response that asks. */
  takeTokens(keys: Iterable<string>): number {
    let tokens = 0;
    for (const key of keys) {
      if (this.#billed.has(key)) continue;
      this.#billed.add(key);
      for (const { length } of this.#entries.get(key)!.continuations ?? []) tokens += length;
    }
    return tokens;
  }
}
