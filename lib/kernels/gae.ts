import { checkKeys, checkNumber, fail } from './check.ts';
import { checkNumbers } from './groups.ts';
import { describe, Tensor } from './tensor.ts';

export interface GaeInput {
  /** [N], of each token; the reward of a whole response goes on its last kept token. */
  rewards: ArrayLike<number>;
  /** [N], the critic's. */
  values: ArrayLike<number>;
  /** [B + 1] offsets from 0 to N. */
  cuSeqlens: Int32Array | Float64Array;
  /** [N], 0 leaves a token out: it gets 0 and its neighbours follow each other directly. */
  mask?: Uint8Array;
  /** Discount, default 1. */
  gamma?: number;
  /** Weight of longer returns, default 0.95. */
  lambda?: number;
}

/**
 * Generalised advantage estimation (arXiv 1506.02438) over a packed batch, [N] f32:
 *   A_t = d_t + gamma lambda A_{t+1},   d_t = r_t + gamma V_{t+1} - V_t,   both 0 past the end of the sequence.
 */
export function generalisedAdvantages(given: GaeInput): Tensor<'f32'> {
  checkKeys('input', given, ['rewards', 'values', 'cuSeqlens', 'mask', 'gamma', 'lambda']);
  const { cuSeqlens, mask } = given;
  const gamma = checkNumber('gamma', given.gamma ?? 1, 0, 1);
  const lambda = checkNumber('lambda', given.lambda ?? 0.95, 0, 1);
  const rewards = checkNumbers('rewards', given.rewards);
  const values = checkNumbers('values', given.values, rewards.length);
  if (mask !== undefined && (!(mask instanceof Uint8Array) || mask.length !== rewards.length)) {
    fail('mask', `a Uint8Array of ${rewards.length} elements`, describe(mask));
  }
  checkOffsets(cuSeqlens, rewards.length);
  const advantages = Tensor.alloc('f32', [rewards.length]);
  for (let i = 0; i + 1 < cuSeqlens.length; i++) {
    let nextValue = 0;
    let next = 0;
    for (let t = cuSeqlens[i + 1]! - 1; t >= cuSeqlens[i]!; t--) {
      if (mask !== undefined && mask[t] === 0) continue;
      next = rewards[t]! + gamma * nextValue - values[t]! + gamma * lambda * next;
      nextValue = values[t]!;
      advantages.data[t] = next;
    }
  }
  return advantages;
}

function checkOffsets(cuSeqlens: Int32Array | Float64Array, tokens: number): void {
  if (!(cuSeqlens instanceof Int32Array || cuSeqlens instanceof Float64Array) || cuSeqlens.length < 1) {
    fail('cuSeqlens', 'an Int32Array or Float64Array of B + 1 offsets', describe(cuSeqlens));
  }
  const rising = cuSeqlens.every(
    (end, i) => Number.isSafeInteger(end) && end >= (i === 0 ? 0 : cuSeqlens[i - 1]!),
  );
  if (!rising || cuSeqlens[0] !== 0 || cuSeqlens.at(-1) !== tokens) {
    fail(
      'cuSeqlens',
      `offsets from 0 to ${tokens} that do not decrease`,
      `[${[...cuSeqlens.slice(0, 8)].join(', ')}]`,
    );
  }
}
