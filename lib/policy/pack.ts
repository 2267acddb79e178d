import type { PackedTokens } from './policy.ts';

/** Sequences of ids one after the other, with their offsets. */
export function packTokens(sequences: readonly ArrayLike<number>[]): PackedTokens {
  const cuSeqlens = new Int32Array(sequences.length + 1);
  sequences.forEach((sequence, i) => {
    cuSeqlens[i + 1] = cuSeqlens[i]! + sequence.length;
  });
  const tokens = new Int32Array(cuSeqlens[sequences.length]!);
  sequences.forEach((sequence, i) => {
    tokens.set(sequence, cuSeqlens[i]!);
  });
  return { tokens, cuSeqlens };
}
