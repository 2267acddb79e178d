import { expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { DEVICE } from './object.ts';

it.each([
  ['f32', 2, 32, 4],
  ['bf16', 4, 16, 2],
  ['f16', 2, 16, 2],
  ['i32', 0, 32, 4],
] as const)('describes %s as DLPack does', (dtype, code, bits, size) => {
  using there = Tensor.alloc(dtype, [2, 3, 4], { device: DEVICE });
  const described = there.dlpack();
  expect(described).toEqual({
    ...{ data: expect.any(BigInt), device: { type: 2, id: 0 }, dtype: { code, bits, lanes: 1 } },
    ...{ shape: [2, 3, 4], strides: [12, 4, 1], byteOffset: 0 },
  });
  expect(described.data % 256n).toBe(0n);
  expect(there.slice(1, 2).dlpack().data - described.data).toBe(BigInt(12 * size));
  const here = Tensor.alloc(dtype, [5]);
  expect(here.dlpack()).toMatchObject({ device: { type: 1, id: 0 }, shape: [5], strides: [1] });
  expect(here.slice(2, 5).dlpack().data - here.dlpack().data).toBe(BigInt(2 * size));
});

// A device refuses to open what its own process made; the shim allows it, which is what is tested here.
it('memory that is shareable has a handle, which opens the same memory', () => {
  const options = { device: DEVICE, shareable: true };
  using made = Tensor.alloc('f32', [4, 2], options);
  made.copyFromSync(Tensor.from('f32', Float32Array.of(0, 1, 2, 3, 4, 5, 6, 7), [4, 2]));
  const { handle, offset } = made.ipcHandle();
  expect({ offset, length: handle.length }).toEqual({ offset: 0, length: 64 });
  const opened = Tensor.fromIpc({ handle, offset, dtype: 'f32', shape: [4, 2], device: DEVICE });
  expect([...opened.toSync('cpu').data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const part = made.slice(3, 4).ipcHandle();
  expect(part.offset).toBe(24);
  using row = Tensor.fromIpc({ ...part, dtype: 'f32', shape: [2], device: DEVICE });
  row.copyFromSync(Tensor.from('f32', Float32Array.of(-1, -2)));
  expect([...opened.toSync('cpu').data.slice(4)]).toEqual([4, 5, -1, -2]);
  opened.dispose();
  opened.dispose();
  expect([...made.toSync('cpu').data.slice(4)]).toEqual([4, 5, -1, -2]);
});

it('other memory has none, and a handle of nothing opens nothing', () => {
  using pooled = Tensor.alloc('f32', [4], { device: DEVICE });
  expect(() => pooled.ipcHandle()).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_STATE' }));
  expect(() => Tensor.alloc('f32', [4]).ipcHandle()).toThrow(/tensor: expected one on a CUDA device/);
  const given = { offset: 0, dtype: 'f32', shape: [4], device: DEVICE } as const;
  expect(() => Tensor.fromIpc({ ...given, handle: new Uint8Array(64) })).toThrow(
    expect.objectContaining({ code: 'ERR_LAPIDARY_DEVICE' }),
  );
  expect(() => Tensor.fromIpc({ ...given, handle: new Uint8Array(63) })).toThrow(/handle has 63 elements/);
  expect(() => Tensor.fromIpc({ ...given, handle: new Uint8Array(64), offset: -1 })).toThrow(/negative/);
});
