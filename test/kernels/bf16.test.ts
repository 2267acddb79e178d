import { describe, expect, it } from 'vitest';
import { fromBf16, toBf16, toBf16Array } from '../../lib/kernels/bf16.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsBackwardSync } from '../../lib/kernels/token-logprobs.ts';
import { floats, ints } from './batches.ts';
import { IMPLEMENTATIONS, use } from './compare.ts';

/** The value of a bf16 pattern from its definition: sign, 8 bits of exponent, 7 of fraction. */
function defined(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> 7) & 0xff;
  const fraction = pattern & 0x7f;
  if (exponent === 0xff) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -133;
  return sign * (128 + fraction) * 2 ** (exponent - 134);
}

describe('bf16', () => {
  it('has the value that each pattern is defined to have, and comes back from it', () => {
    for (let pattern = 0; pattern < 0x10000; pattern++) {
      const value = defined(pattern);
      if (!Object.is(fromBf16(pattern), value)) expect.fail(`${pattern}: ${fromBf16(pattern)}, not ${value}`);
      if (!Number.isNaN(value) && toBf16(value) !== pattern) expect.fail(`${value} does not come back`);
      if (Number.isNaN(value) && !Number.isNaN(defined(toBf16(value)))) expect.fail('NaN is lost');
    }
  });

  it('rounds to the nearest pattern, ties to even', () => {
    for (let pattern = 0; pattern < 0x7f7f; pattern++) {
      const [low, high] = [defined(pattern), defined(pattern + 1)];
      const even = pattern % 2 === 0 ? pattern : pattern + 1;
      const middle = (low + high) / 2;
      if (toBf16(middle) !== even) expect.fail(`the middle of ${low} and ${high}`);
      if (toBf16(low + (high - low) / 4) !== pattern) expect.fail(`a quarter above ${low}`);
      if (toBf16(-(low + (3 * (high - low)) / 4)) !== pattern + 1 + 0x8000)
        expect.fail(`a quarter below ${high}`);
    }
    expect([...toBf16Array([1, -2, 3.4e38, Number.NaN])]).toEqual([0x3f80, 0xc000, 0x7f80, 0x7fc0]);
  });

  it.each(IMPLEMENTATIONS)('is rounded the same way by the kernels, %s', (implementation) => {
    use(implementation);
    // Over one entry, of which p = 1/2: the gradient is -dlogp / 2 in the other entry, any number we like.
    const logits = Tensor.alloc('bf16', [1, 2]);
    const half = { logp: floats([Math.log(0.5)]), lse: floats([Math.LN2]) };
    for (let pattern = 0x2000; pattern < 0x5f00; pattern += 37) {
      for (const part of [0, 0.3, 0.7]) {
        const value = defined(pattern) + part * (defined(pattern + 1) - defined(pattern));
        const given = { logits, targets: ints([0]), ...half, dlogp: floats([-2 * value]) };
        const { data } = tokenLogprobsBackwardSync(given);
        if (data[1] !== toBf16(value)) expect.fail(`${value}: ${data[1]}, not ${toBf16(value)}`);
      }
    }
  });
});
