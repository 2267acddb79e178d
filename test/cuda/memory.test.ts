import v8 from 'node:v8';
import vm from 'node:vm';
import { expect, it } from 'vitest';
import { Stream } from '../../lib/kernels/stream.ts';
import { type DType, Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsSync, tokenLogprobsWithGradientSync } from '../../lib/kernels/token-logprobs.ts';
import { DEVICE } from './object.ts';

const BITS = {
  f32: Float32Array.of(1.5, -0, Number.NaN, 3e38, -7, 0.1),
  bf16: Uint16Array.of(0x3fc0, 0x8000, 0x7fc0, 0xffff, 1, 2),
  f16: Uint16Array.of(0x3e00, 0x8000, 0x7e00, 0xffff, 1, 2),
  i32: Int32Array.of(1, -1, 2 ** 31 - 1, -(2 ** 31), 0, 7),
};
const bytes = (tensor: Tensor) => Buffer.from(tensor.data.buffer, tensor.data.byteOffset, tensor.byteLength);
const free = () => Stream.default(DEVICE).memoryInfo().free;
const floats = (...values: number[]) => Tensor.from('f32', Float32Array.from(values));

function numbered(rows: number, columns: number): Tensor<'f32'> {
  return Tensor.from(
    'f32',
    Float32Array.from({ length: rows * columns }, (_, i) => i),
    [rows, columns],
  );
}

it.each(Object.keys(BITS) as DType[])('%s goes there and back, bit for bit', async (dtype) => {
  const host = Tensor.from(dtype, BITS[dtype] as never, [2, 3]);
  using there = host.toSync(DEVICE);
  using also = await host.to(DEVICE);
  using third = await there.to(DEVICE);
  for (const tensor of [there, also, third]) {
    expect({ ...tensor }).toMatchObject({ dtype, shape: [2, 3], size: 6, device: DEVICE });
    expect(bytes(tensor.toSync('cpu')).equals(bytes(host))).toBe(true);
    expect(bytes(await tensor.to('cpu')).equals(bytes(host))).toBe(true);
  }
  expect(bytes(host.toSync('cpu')).equals(bytes(host))).toBe(true);
});

it('is zeroed where it is allocated', () => {
  using tensor = Tensor.alloc('f32', [1000], { device: DEVICE });
  expect(tensor.toSync('cpu').data.every((x) => Object.is(x, 0))).toBe(true);
  using empty = Tensor.alloc('bf16', [0, 5], { device: DEVICE });
  expect(empty.toSync('cpu').data).toHaveLength(0);
});

it('copies between tensors, wherever they are, and their slices', async () => {
  const source = numbered(5, 3);
  using there = Tensor.alloc('f32', [5, 3], { device: DEVICE });
  expect(there.copyFromSync(source)).toBe(there);
  using other = Tensor.alloc('f32', [5, 3], { device: DEVICE });
  await other.copyFrom(there);
  other.slice(1, 2).copyFromSync(there.slice(4, 5));
  const back = Tensor.alloc('f32', [5, 3]);
  expect(await back.copyFrom(other)).toBe(back);
  expect([...back.data]).toEqual([0, 1, 2, 12, 13, 14, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  expect([...there.slice(2, 4).slice(1, 2).toSync('cpu').data]).toEqual([9, 10, 11]);
  expect(() => there.slice(3, 6)).toThrow(/slice: expected 0 <= begin <= end <= 5/);
  expect(() => there.copyFromSync(numbered(3, 5))).toThrow(/source: expected f32 \[5, 3\], got f32 \[3, 5\]/);
});

it('takes pinned memory, which is ordinary memory afterwards', async () => {
  const pinned = Tensor.alloc('f32', [3], { pinned: true });
  pinned.data.set([1, 2, 3]);
  using there = pinned.toSync(DEVICE);
  using again = await pinned.to(DEVICE);
  Stream.default(DEVICE).synchronizeSync();
  pinned.data.fill(0);
  await pinned.copyFrom(there);
  expect([...pinned.data]).toEqual([1, 2, 3]);
  pinned.slice(0, 2).copyFromSync(again.slice(1, 3));
  expect([...pinned.data]).toEqual([2, 3, 3]);
  pinned.dispose();
  pinned.dispose();
  expect([...pinned.data]).toEqual([2, 3, 3]);
  expect(() => pinned.toSync(DEVICE)).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_STATE' }));
});

it('has no elements on the host', () => {
  using there = floats(1).toSync(DEVICE);
  expect(() => there.data).toThrow(/data: expected a tensor on the CPU, .* got one on cuda:0/);
});

it('can be disposed of twice, and is of no use afterwards', async () => {
  const logits = numbered(2, 3).toSync(DEVICE);
  const part = logits.slice(0, 1);
  using targets = Tensor.from('i32', Int32Array.of(0, 1)).toSync(DEVICE);
  part.dispose();
  expect(logits.disposed).toBe(false);
  logits.dispose();
  logits.dispose();
  expect([logits.disposed, part.disposed]).toEqual([true, true]);
  const state = expect.objectContaining({ code: 'ERR_LAPIDARY_STATE', argument: expect.any(String) });
  expect(() => tokenLogprobsSync({ logits, targets })).toThrow(
    expect.objectContaining({ code: 'ERR_LAPIDARY_STATE', argument: 'logits' }),
  );
  expect(() => logits.toSync('cpu')).toThrow(state);
  expect(() => part.toSync('cpu')).toThrow(state);
  expect(() => logits.copyFromSync(numbered(2, 3))).toThrow(state);
  expect(() => logits.dlpack()).toThrow(state);
  await expect(logits.to('cpu')).rejects.toThrow(state);
});

it('is freed in the order of its stream: what was called before has read it', () => {
  const host = numbered(40, 500);
  const logits = host.toSync(DEVICE);
  using targets = Tensor.from('i32', new Int32Array(40).fill(499)).toSync(DEVICE);
  const before = tokenLogprobsSync({ logits, targets });
  logits.dispose();
  using _other = Tensor.alloc('f32', [40, 500], { device: DEVICE });
  const expected = tokenLogprobsSync({ logits: host, targets: targets.toSync('cpu') });
  const actual = before.logp.toSync('cpu').data;
  for (const [t, logp] of expected.logp.data.entries()) expect(actual[t]).toBeCloseTo(logp, 5);
});

it('comes back when a tensor is disposed of, or was made for a call that failed', () => {
  using targets = Tensor.from('i32', Int32Array.of(0, 9)).toSync(DEVICE);
  using logits = Tensor.alloc('f32', [2, 1000], { device: DEVICE });
  const before = free();
  const result = tokenLogprobsWithGradientSync({ logits, targets });
  expect(free()).toBeLessThan(before - 8000);
  for (const tensor of Object.values(result)) (tensor as Tensor | null)?.dispose();
  expect(free()).toBe(before);
  const rowWeights = floats(1, 1);
  expect(() => tokenLogprobsWithGradientSync({ logits, targets, rowWeights })).toThrow(
    /rowWeights is on cpu/,
  );
  expect(free()).toBe(before);
});

it('runs out with a code of its own, and works on', () => {
  const code = 'ERR_LAPIDARY_MEMORY';
  const before = free();
  expect(() => Tensor.alloc('f32', [2 ** 40], { device: DEVICE })).toThrow(expect.objectContaining({ code }));
  expect(() => Tensor.alloc('f32', [2 ** 40], { device: DEVICE, shareable: true })).toThrow(
    expect.objectContaining({ code }),
  );
  expect(free()).toBe(before);
  using small = floats(4, 5).toSync(DEVICE);
  expect([...small.toSync('cpu').data]).toEqual([4, 5]);
});

it('refuses a tensor that an earlier copy has still to read or write', async () => {
  const host = Tensor.alloc('f32', [100_000]);
  using there = Tensor.alloc('f32', [100_000], { device: DEVICE });
  using other = Tensor.alloc('f32', [100_000], { device: DEVICE });
  const copying = there.copyFrom(host);
  const state = expect.objectContaining({ code: 'ERR_LAPIDARY_STATE' });
  expect(() => there.toSync('cpu')).toThrow(state);
  expect(() => there.copyFromSync(other)).toThrow(/await that call first/);
  await copying;
  // Two may read.
  await Promise.all([there.to('cpu'), there.to('cpu'), other.copyFrom(there)]);
});

it('is freed by the collector where nobody did', async () => {
  v8.setFlagsFromString('--expose_gc');
  const collect = vm.runInNewContext('gc') as () => void;
  const before = free();
  (() => void Tensor.alloc('f32', [1 << 20], { device: DEVICE }))();
  expect(free()).toBeLessThan(before);
  for (let i = 0; i < 50 && free() < before; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  // Or more: earlier tests have left results behind, too.
  expect(free()).toBeGreaterThanOrEqual(before);
});

it.each([
  ['cuda', /device: expected "cpu", "cuda:0" or another cuda:N, got "cuda"/],
  ['cuda:7', /device: cuda:7 is not there; the last is cuda:/],
  ['gpu:0', /got "gpu:0"/],
])('refuses device %s', (device, message) => {
  expect(() => Tensor.alloc('f32', [1], { device })).toThrow(message);
  expect(() => floats(1).toSync(device)).toThrow(message);
});
