import { createHash } from 'node:crypto';
import type { JudgeRequest } from './judge.ts';

/**
 * A number in [0, 1) for every step, from the seed and the response's content. It does not depend on the rollout's id
 * or on what else is judged, so a response that occurs twice, or comes from a journal, gets the same numbers.
 */
export function stepUniforms(
  stream: 'noise' | 'random',
  seed: number,
  request: Pick<JudgeRequest, 'problem' | 'steps'>,
): number[] {
  const response = JSON.stringify([stream, seed, request.problem, request.steps]);
  const key = createHash('sha256').update(response, 'utf8').digest();
  return request.steps.map((_, k) => fraction(createHash('sha256').update(key).update(String(k)).digest()));
}

/**
 * A key of a prompt and the response so far, and a whole number in [0, 2^53) to seed what follows. Both depend on the
 * token ids and `seed` alone.
 */
export function prefixKey(
  seed: number,
  prefix: Int32Array,
  promptLength: number,
): { key: string; seed: number } {
  const bytes = new Uint8Array(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const digest = createHash('sha256').update(`${seed} ${promptLength}\n`).update(bytes).digest();
  return { key: digest.toString('base64'), seed: fraction(digest) * 2 ** 53 };
}

/** In [0, 1), with the 53 bits that a double holds. */
function fraction(digest: Buffer): number {
  return (digest.readUInt32LE(0) * 2 ** 21 + (digest.readUInt32LE(4) >>> 11)) / 2 ** 53;
}
