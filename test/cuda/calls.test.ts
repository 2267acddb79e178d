import { expect, it, vi } from 'vitest';
import { Stream } from '../../lib/kernels/stream.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import {
  tokenLogprobs,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
} from '../../lib/kernels/token-logprobs.ts';
import { DEVICE } from './object.ts';

vi.hoisted(() => {
  process.env.LAPIDARY_SIMT_DEVICES = '2';
});

const ROWS = 6;
const VOCAB = 50;
const TENSORS = {
  logits: Tensor.from(
    'f32',
    Float32Array.from({ length: ROWS * VOCAB }, (_, i) => Math.cos(i)),
    [ROWS, VOCAB],
  ),
  targets: Tensor.from('i32', Int32Array.of(0, 1, -100, 3, 4, 49)),
  logp: Tensor.from('f32', new Float32Array(ROWS).fill(-1)),
  lse: Tensor.from('f32', new Float32Array(ROWS).fill(4)),
  dlogp: Tensor.from('f32', new Float32Array(ROWS).fill(1)),
  dlogits: Tensor.alloc('f32', [ROWS, VOCAB]),
};
type Name = keyof typeof TENSORS;
const NAMES = Object.keys(TENSORS) as Name[];

/** The tensors of a backward, those of `named` on another device than the rest. */
function spread(device: string, named: Name, other: string): typeof TENSORS {
  const entries = NAMES.map((name) => [name, TENSORS[name].toSync(name === named ? other : device)]);
  return Object.fromEntries(entries) as typeof TENSORS;
}

// The first tensor says where the call is, so the first that differs from it is named.
it.each(NAMES.slice(1))('%s on the wrong device is named, with both devices', (name) => {
  for (const [device, other] of [
    [DEVICE, 'cpu'],
    ['cpu', DEVICE],
    [DEVICE, 'cuda:1'],
  ] as const) {
    const given = spread(device, name, other);
    expect(() => tokenLogprobsBackwardSync(given)).toThrow(
      expect.objectContaining({
        ...{ code: 'ERR_LAPIDARY_ARGUMENT', argument: name },
        message: expect.stringMatching(new RegExp(`^${name} is on ${other}; expected ${device}`)),
      }),
    );
    for (const tensor of Object.values(given)) tensor.dispose();
  }
});

it('a second device works by itself', () => {
  const { logits, targets } = TENSORS;
  const [first, second] = [DEVICE, 'cuda:1'].map((device) =>
    tokenLogprobsSync({ logits: logits.toSync(device), targets: targets.toSync(device) }),
  );
  expect(second!.logp.device).toBe('cuda:1');
  expect(second!.logp.toSync('cpu').data).toEqual(first!.logp.toSync('cpu').data);
  const across = first!.logp.toSync('cuda:1');
  expect(across.toSync('cpu').data).toEqual(first!.logp.toSync('cpu').data);
});

it('outputs may not overlap, but the gradient may take the place of its logits', () => {
  const logits = TENSORS.logits.toSync(DEVICE);
  const targets = TENSORS.targets.toSync(DEVICE);
  const one = Tensor.alloc('f32', [ROWS + 1], { device: DEVICE });
  const overlapping = { logp: one.slice(0, ROWS), lse: one.slice(1, ROWS + 1) };
  expect(() => tokenLogprobsSync({ logits, targets }, { out: overlapping })).toThrow(/logp overlaps lse/);
  const { logp, lse } = tokenLogprobsSync({ logits, targets });
  const dlogp = TENSORS.dlogp.toSync(DEVICE);
  const apart = tokenLogprobsBackwardSync({ logits, targets, logp, lse, dlogp }).toSync('cpu');
  const inPlace = tokenLogprobsBackwardSync({ logits, targets, logp, lse, dlogp, dlogits: logits });
  expect(inPlace).toBe(logits);
  expect(inPlace.toSync('cpu').data).toEqual(apart.data);
});

it('writes to the outputs of the caller, the same bits every time', async () => {
  const logits = TENSORS.logits.toSync(DEVICE);
  const targets = TENSORS.targets.toSync(DEVICE);
  const out = { logp: Tensor.alloc('f32', [ROWS], { device: DEVICE }) };
  const first = await tokenLogprobs({ logits, targets }, { out });
  expect(first.logp).toBe(out.logp);
  const bits = out.logp.toSync('cpu').data;
  for (let i = 0; i < 10; i++) {
    const again = tokenLogprobsSync({ logits, targets });
    expect(again.logp.toSync('cpu').data).toEqual(bits);
  }
});

it('a target out of range cannot be seen: its row is NaN', () => {
  const logits = TENSORS.logits.toSync(DEVICE);
  const targets = Tensor.from('i32', Int32Array.of(0, 1, -5, VOCAB, 4, 5)).toSync(DEVICE);
  const { logp } = tokenLogprobsSync({ logits, targets });
  expect([...logp.toSync('cpu').data].map(Number.isNaN)).toEqual([false, false, true, true, false, false]);
});

it('an abort before the launch rejects, a later one comes too late', async () => {
  const logits = TENSORS.logits.toSync(DEVICE);
  const targets = TENSORS.targets.toSync(DEVICE);
  const free = () => Stream.default(DEVICE).memoryInfo().free;
  const before = free();
  const aborted = AbortSignal.abort(new Error('enough'));
  await expect(tokenLogprobs({ logits, targets }, { signal: aborted })).rejects.toThrow('enough');
  expect(free()).toBe(before);
  const controller = new AbortController();
  const running = tokenLogprobs({ logits, targets }, { signal: controller.signal });
  controller.abort();
  expect(Number.isFinite((await running).logp.toSync('cpu').data[0])).toBe(true);
});

it('the event loop runs while a call is waited for', async () => {
  const logits = Tensor.alloc('f32', [200, 50_000], { device: DEVICE });
  const targets = Tensor.alloc('i32', [200], { device: DEVICE });
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  const started = performance.now();
  await tokenLogprobs({ logits, targets });
  const took = performance.now() - started;
  clearInterval(timer);
  expect(turns).toBeGreaterThan(Math.min(5, took / 20));
});
