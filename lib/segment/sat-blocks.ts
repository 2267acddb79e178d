/** Positions [start, end) of the tokens of one text that the model reads at once. */
export interface Block {
  start: number;
  end: number;
}

/** How much each position of a block counts where blocks overlap: all alike, or most in the middle (a triangle). */
export type BlockWeighting = 'uniform' | 'hat';

/**
 * Overlapping blocks over a text: one every `stride` tokens, each of `size` tokens; the last one is shifted left to
 * end where the text ends. A text shorter than a block is one block. As in wtpsplit (Frohmann et al. 2024,
 * arXiv 2406.16678).
 */
export function blocksOf(tokens: number, size: number, stride: number): Block[] {
  const blocks: Block[] = [];
  if (tokens === 0) return blocks;
  let start = 0;
  for (; start + size < tokens; start += stride) blocks.push({ start, end: start + size });
  blocks.push({ start: Math.max(0, tokens - size), end: tokens });
  return blocks;
}

/** The weights of the positions of a block. */
export function blockWeights(size: number, weighting: BlockWeighting): Float64Array {
  if (weighting === 'uniform') return new Float64Array(size).fill(1);
  return Float64Array.from({ length: size }, (_, i) => 1 - Math.abs((2 * i + 1) / size - 1));
}

/** The weighted mean of each token's logits over the blocks that hold it. */
export class BlockAverage {
  readonly #sums: Float64Array;
  readonly #weights: Float64Array;

  constructor(tokens: number) {
    this.#sums = new Float64Array(tokens);
    this.#weights = new Float64Array(tokens);
  }

  add(block: Block, weights: Float64Array, logits: Float32Array): void {
    for (let i = 0; i < block.end - block.start; i++) {
      this.#sums[block.start + i]! += weights[i]! * logits[i]!;
      this.#weights[block.start + i]! += weights[i]!;
    }
  }

  mean(): Float64Array {
    return this.#sums.map((sum, i) => sum / this.#weights[i]!);
  }
}
