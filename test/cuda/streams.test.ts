import { expect, it } from 'vitest';
import { Event, Stream } from '../../lib/kernels/stream.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobs, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { DEVICE } from './object.ts';

const ROWS = 64;
const VOCAB = 3000;
const host = {
  logits: Tensor.from(
    'f32',
    Float32Array.from({ length: ROWS * VOCAB }, (_, i) => Math.sin(i)),
    [ROWS, VOCAB],
  ),
  targets: Tensor.from(
    'i32',
    Int32Array.from({ length: ROWS }, (_, t) => t),
  ),
};
const expected = tokenLogprobsSync(host).logp.data;

function expectRight(logp: Tensor<'f32'>): void {
  const actual = logp.toSync('cpu').data;
  expect(actual.every((x, t) => Math.abs(x - expected[t]!) < 1e-5)).toBe(true);
}

it('calls run on the stream that they are given', async () => {
  using stream = new Stream({ device: DEVICE });
  expect(stream.handle).toBeTypeOf('bigint');
  using logits = host.logits.toSync(DEVICE, { stream });
  using targets = host.targets.toSync(DEVICE, { stream });
  using logp = tokenLogprobsSync({ logits, targets }, { stream }).logp;
  await stream.synchronize();
  expectRight(logp);
  using second = (await tokenLogprobs({ logits, targets }, { stream })).logp;
  expectRight(second);
});

it('an event orders the work of two streams', () => {
  using first = new Stream({ device: DEVICE });
  using second = new Stream({ device: DEVICE });
  using logits = host.logits.toSync(DEVICE, { stream: first });
  using targets = host.targets.toSync(DEVICE, { stream: first });
  for (let round = 0; round < 5; round++) {
    const { logp } = tokenLogprobsSync({ logits, targets }, { stream: first });
    using ready = new Event(first);
    ready.record();
    second.wait(ready);
    using copy = Tensor.alloc('f32', [ROWS], { device: DEVICE, stream: second });
    copy.copyFromSync(logp, { stream: second });
    // Made on the first stream, freed there: the second is waited for by the device.
    logp.dispose();
    expect([...copy.toSync('cpu', { stream: second }).data.slice(0, 3)]).toEqual(
      [...expected.slice(0, 3)].map((x) => expect.closeTo(x, 5)),
    );
  }
});

it('an event is asked, waited for and timed', async () => {
  const stream = Stream.default(DEVICE);
  using before = new Event(stream);
  using after = new Event(stream);
  expect(before.query()).toBe(true);
  expect(() => after.elapsed(before)).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_DEVICE' }));
  before.record();
  using logits = host.logits.toSync(DEVICE);
  using targets = host.targets.toSync(DEVICE);
  const { logp } = tokenLogprobsSync({ logits, targets });
  after.record();
  await after.synchronize();
  expect([before.query(), after.query()]).toEqual([true, true]);
  expect(after.elapsed(before)).toBeGreaterThan(0);
  after.record();
  after.synchronizeSync();
  logp.dispose();
  after.dispose();
  after.dispose();
  expect(() => after.query()).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_STATE' }));
});

it('a stream that is gone is refused, what was made on it lives on', () => {
  const stream = new Stream({ device: DEVICE });
  using tensor = Tensor.alloc('f32', [4], { device: DEVICE, stream });
  stream.dispose();
  stream.dispose();
  const state = expect.objectContaining({ code: 'ERR_LAPIDARY_STATE', argument: 'stream' });
  expect(() => Tensor.alloc('f32', [4], { device: DEVICE, stream })).toThrow(state);
  expect(() => stream.synchronizeSync()).toThrow(state);
  expect([...tensor.toSync('cpu').data]).toEqual([0, 0, 0, 0]);
});

it("what a stream that is gone was given is done before the device's own stream goes on", () => {
  for (const [round, shared] of [false, true, false].entries()) {
    const stream = shared ? Stream.default(DEVICE) : new Stream({ device: DEVICE });
    using logits = host.logits.toSync(DEVICE, { stream });
    using targets = host.targets.toSync(DEVICE, { stream });
    const { logp } = tokenLogprobsSync({ logits, targets }, { stream });
    stream.dispose();
    expectRight(logp);
    logp.dispose();
    expect(Stream.default(DEVICE) === stream, `round ${round}`).toBe(false);
  }
});

it('a stream is of its device', () => {
  const stream = Stream.default(DEVICE);
  expect(() => tokenLogprobsSync(host, { stream })).toThrow(
    /options.stream: expected a Stream of cpu, where the tensors are, got one of cuda:0/,
  );
  expect(() => new Stream({ device: 'cuda:9' })).toThrow(/device: cuda:9 is not there/);
});

it('memory that the pool keeps can be given back', () => {
  const stream = Stream.default(DEVICE);
  const { free, total } = stream.memoryInfo();
  expect(free).toBeLessThanOrEqual(total);
  stream.trimMemory();
  expect(stream.memoryInfo().free).toBeGreaterThanOrEqual(free);
});
