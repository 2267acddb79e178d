import { afterEach, describe, expect, it, vi } from 'vitest';
import { type DType, Tensor } from '../../lib/kernels/tensor.ts';

function expectArgument(argument: string, call: () => unknown): void {
  expect(call).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }));
}

describe('Tensor', () => {
  it('allocates zeros in shared memory', () => {
    for (const [dtype, array] of [
      ['f32', Float32Array],
      ['bf16', Uint16Array],
      ['i32', Int32Array],
    ] as const) {
      const tensor = Tensor.alloc(dtype, [2, 3]);
      expect(tensor.data).toBeInstanceOf(array);
      expect(tensor.data.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect([...tensor.data]).toEqual(Array(6).fill(0));
      expect(tensor).toMatchObject({ dtype, shape: [2, 3], size: 6 });
    }
    expect(Tensor.alloc('f32', []).size).toBe(1);
    expect(Tensor.alloc('f32', [3, 0]).size).toBe(0);
  });

  it('wraps without a copy and keeps its own shape', () => {
    const data = new Float32Array(6);
    const shape = [2, 3];
    const tensor = Tensor.from('f32', data, shape);
    shape[0] = 9;
    expect(tensor.data).toBe(data);
    expect(tensor.shape).toEqual([2, 3]);
    expect(Tensor.from('f32', data).shape).toEqual([6]);
  });

  it.each([
    ['f32', new Float64Array(4)],
    ['f32', Buffer.alloc(4)],
    ['f32', [1, 2]],
    ['f32', new ArrayBuffer(4)],
    ['bf16', new Int16Array(4)],
    ['bf16', new Uint8Array(4)],
    ['bf16', Buffer.alloc(4)],
    ['i32', new Uint32Array(4)],
    ['i32', null],
    ['i32', undefined],
  ] as const)('refuses to wrap as %s other arrays', (dtype, data) => {
    expectArgument('data', () => Tensor.from(dtype, data as never));
  });

  it('refuses shapes that are no shapes', () => {
    const data = new Float32Array(6);
    for (const shape of [[2, 2], [7], [-1, -6], [1.5, 4], [Number.NaN], [2 ** 30, 2 ** 30]]) {
      expectArgument('shape', () => Tensor.from('f32', data, shape));
    }
    expectArgument('shape', () => Tensor.alloc('f32', [2 ** 60]));
    expectArgument('dtype', () => Tensor.alloc('f64' as DType, [1]));
    expectArgument('dtype', () => Tensor.from('f64' as DType, data as never));
  });

  it('says when there is no memory', () => {
    expect(() => Tensor.alloc('f32', [2 ** 51])).toThrow(
      expect.objectContaining({ code: 'ERR_LAPIDARY_NATIVE' }),
    );
  });
});

describe('a Float16Array', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('is taken for f16 where the runtime has one, as the bits in its memory', () => {
    // Node 20 has none: a stand-in of the same name and element size.
    class Float16Array extends Uint16Array {}
    vi.stubGlobal('Float16Array', Float16Array);
    const halves = new Float16Array([0, 0x3c00, 0xbc00, 0x4000]).subarray(1);
    const tensor = Tensor.from('f16', halves as never, [3, 1]);
    expect(tensor.data.constructor).toBe(Uint16Array);
    expect(tensor.data.buffer).toBe(halves.buffer);
    expect([...tensor.data]).toEqual([0x3c00, 0xbc00, 0x4000]);
    const plain = Uint16Array.of(1, 2);
    expect(Tensor.from('f16', plain).data).toBe(plain);
  });
});
