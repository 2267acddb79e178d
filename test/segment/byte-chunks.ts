import type { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import type { Random } from '../random.ts';

/** A tokenizer whose tokens are the bytes of a text cut into chunks, so that a token can hold half a character. */
export function byteChunks(text: string, sizes: readonly number[]): { tokenizer: Tokenizer; ids: number[] } {
  const bytes = new TextEncoder().encode(text);
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  if (at < bytes.length) chunks.push(bytes.slice(at));
  const unused = (): never => {
    throw new Error('not used');
  };
  const tokenizer: Tokenizer = {
    id: 'chunks',
    vocabSize: chunks.length,
    eosId: 0,
    bytesOf: (id) => chunks[id]!,
    encode: unused,
    decode: unused,
  };
  return { tokenizer, ids: chunks.map((_, id) => id) };
}

/** Sizes of 0 to 7 bytes that add up to a length. */
export function randomChunks(random: Random, length: number): number[] {
  const sizes: number[] = [];
  for (let left = length; left > 0; left -= sizes.at(-1)!) sizes.push(Math.min(left, random.int(0, 7)));
  return sizes;
}
