import { createHash } from 'node:crypto';

/** What random numbers are drawn for; each has a stream of its own. */
export type Stream =
  | 'policy'
  | 'text'
  | 'warm-up'
  | 'held-out'
  | 'prompts'
  | 'sampling'
  | 'training'
  | 'pairs'
  | 'evaluation'
  | 'continuations';

/**
 * The seed of a stream: a whole number below 2^31 from the run's seed and, where the stream differs between them, the
 * seed of the repetition and the iteration. Hashed, so that neighbouring seeds share nothing.
 */
export function seedOf(runSeed: number, stream: Stream, repetition = 0, iteration = 0): number {
  const digest = createHash('sha256').update(`${runSeed}/${stream}/${repetition}/${iteration}`).digest();
  return digest.readUInt32LE(0) >>> 1;
}
