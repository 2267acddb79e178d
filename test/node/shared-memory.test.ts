import os from 'node:os';
import { describe, expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobs, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { floats } from '../kernels/batches.ts';
import {
  CALLS,
  expectedOutputs,
  outputsOf,
  runAsync,
  runSync,
  shared,
  VALID,
  type View,
  viewNames,
} from './native-calls.ts';

interface Growable extends SharedArrayBuffer {
  grow(bytes: number): void;
}

/** The same numbers at the beginning of shared memory that can grow; ES2023's types do not know it. */
function growable(view: View): { view: View; buffer: Growable } {
  const create = SharedArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => Growable;
  const buffer = new create(view.byteLength, { maxByteLength: 2 ** 20 });
  const copy = new (view.constructor as new (buffer: SharedArrayBuffer) => View)(buffer);
  copy.set(view as never);
  return { view: copy, buffer };
}

describe.each(CALLS)('shared memory of %s', (call) => {
  it('may grow before the call and while it waits', async () => {
    for (const early of [true, false]) {
      const args = VALID[call]();
      const buffers = viewNames(call).map((name) => {
        const { view, buffer } = growable(args[name] as View);
        args[name] = view;
        return buffer;
      });
      const grow = () => buffers.map((buffer) => buffer.grow(2 ** 20));
      if (early) grow();
      const jobs = Array.from({ length: 5 }, () => runAsync(call, VALID[call]()));
      const job = runAsync(call, args);
      if (!early) grow();
      await Promise.all([...jobs, job]);
      const expected = expectedOutputs(call);
      for (const [name, values] of Object.entries(expected)) {
        expect([...(args[name] as View).subarray(0, values.length)], name).toEqual([...values]);
      }
    }
  });

  it('holds indices that are copied: other values while the call waits change nothing and reach nothing', async () => {
    const names = ['targets', 'cuSeqlens'].filter((name) => name in VALID[call]());
    const args = { ...VALID[call]() };
    for (const name of names) args[name] = shared(args[name] as View);
    const jobs = Array.from({ length: 20 }, () => runAsync(call, VALID[call]()));
    const job = runAsync(call, args);
    for (const name of names) (args[name] as View).fill(-(2 ** 30));
    await Promise.all([...jobs, job]);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
    if (names.length > 0) {
      expect(() => runSync(call, args)).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }));
    }
  });
});

describe('a cancel flag', () => {
  it('must lie in shared memory, where it can be seen', async () => {
    const own = runAsync('tokenLogprobs', VALID.tokenLogprobs(), new Int32Array(1));
    await expect(own).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
      message: expect.stringContaining('cancel'),
    });
  });
});

const ROWS = 2 ** 15 + 2;
const VOCAB = 2 ** 16;
const enough = os.freemem() > 7 * 2 ** 30;
describe.skipIf(!enough)('logits of more than 2^31 elements (skipped under 7 GiB of free memory)', () => {
  it('are read where they are', async () => {
    const logits = Tensor.alloc('bf16', [ROWS, VOCAB]);
    expect(logits.size).toBeGreaterThan(2 ** 31);
    const last = ROWS - 1;
    const targets = Tensor.alloc('i32', [ROWS]);
    targets.data.fill(-100);
    targets.data[last] = VOCAB - 1;
    targets.data[0] = 3;
    logits.data[logits.size - 1] = 0x4120; // 10
    const expected = [-Math.log(VOCAB), 10 - Math.log(VOCAB - 1 + Math.exp(10))];
    for (const { logp } of [
      tokenLogprobsSync({ logits, targets }),
      await tokenLogprobs({ logits, targets }),
    ]) {
      expect(logp.data[0]).toBeCloseTo(expected[0]!, 5);
      expect(logp.data[last]).toBeCloseTo(expected[1]!, 5);
    }
  });
});

describe('a tensor over memory that has been resized', () => {
  it('keeps its shape, and calls say what is wrong', () => {
    const create = ArrayBuffer as unknown as new (
      bytes: number,
      options: { maxByteLength: number },
    ) => ArrayBuffer & { resize(bytes: number): void };
    const buffer = new create(24, { maxByteLength: 64 });
    const logits = Tensor.from('f32', new Float32Array(buffer), [2, 3]);
    const targets = Tensor.from('i32', Int32Array.of(0, 1));
    const third = Math.fround(-Math.log(3));
    buffer.resize(64);
    expect(logits.size).toBe(6);
    expect(tokenLogprobsSync({ logits, targets }).logp.data).toEqual(floats([third, third]).data);
    buffer.resize(8);
    expect(() => tokenLogprobsSync({ logits, targets })).toThrow(
      expect.objectContaining({ argument: 'logits', message: 'logits has 2 elements; expected 6' }),
    );
    expect(() => Object.assign(logits.shape, [9])).toThrow(TypeError);
  });
});
