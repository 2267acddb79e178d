import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { configureKernels } from '../../lib/kernels/device.ts';
import { linearLogprobs, linearLogprobsBackward } from '../../lib/kernels/linear-logprobs.ts';
import { objectives } from '../../lib/kernels/objectives.ts';
import { policyLoss } from '../../lib/kernels/policy-loss.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobs, tokenLogprobsBackward } from '../../lib/kernels/token-logprobs.ts';
import { floats, ints } from '../kernels/batches.ts';

type Call = (signal: AbortSignal) => Promise<unknown>;

// Many seconds of work on one portable thread, in a little memory.
const huge = { hidden: Tensor.alloc('f32', [4000, 600]), weight: Tensor.alloc('f32', [20000, 600]) };
const hugeTargets = Tensor.alloc('i32', [4000]);
const hugeVector = Tensor.alloc('f32', [4000]);
hugeVector.data.fill(-1);
const long: Call = (signal) => linearLogprobs({ ...huge, targets: hugeTargets }, { signal });
const longBackward: Call = (signal) =>
  linearLogprobsBackward(
    { ...huge, targets: hugeTargets, logp: hugeVector, lse: hugeVector, dlogp: hugeVector },
    { signal },
  );

const logits = Tensor.alloc('f32', [2, 3]);
const pair = { logits, targets: ints([0, 1]) };
const vectors = { logp: floats([-1, -1]), lse: floats([1, 1]), dlogp: floats([1, 1]) };
const head = {
  hidden: Tensor.alloc('f32', [2, 2]),
  weight: Tensor.alloc('f32', [3, 2]),
  targets: ints([0, 1]),
};
const loss = {
  ...{ objective: objectives.reinforce(), cuSeqlens: Int32Array.of(0, 2), logp: floats([-1, -1]) },
  ...{ advantages: floats([1]), seqScale: floats([1]) },
};
const SHORT: Record<string, Call> = {
  tokenLogprobs: (signal) => tokenLogprobs(pair, { signal }),
  tokenLogprobsBackward: (signal) => tokenLogprobsBackward({ ...pair, ...vectors }, { signal }),
  linearLogprobs: (signal) => linearLogprobs(head, { signal }),
  linearLogprobsBackward: (signal) => linearLogprobsBackward({ ...head, ...vectors }, { signal }),
  policyLoss: (signal) => policyLoss(loss, { signal }),
};
const shorts = Object.entries(SHORT);

/** The promise rejects with this very reason, and the signal has no listener left. */
async function expectAborted(promise: Promise<unknown>, controller: AbortController, reason: unknown) {
  const error = await promise.then(
    () => expect.fail('the call was not aborted'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBe(reason);
  expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
}

describe('an abort', () => {
  it.each(shorts)('before the call rejects: %s', async (_, call) => {
    for (const reason of [new Error('enough'), 'a string', undefined]) {
      const controller = new AbortController();
      controller.abort(reason);
      await expectAborted(call(controller.signal), controller, controller.signal.reason);
    }
  });

  it('of queued calls rejects them and leaves the running one and later ones alone', async () => {
    configureKernels({ implementation: 'portable', threads: 1 });
    const first = new AbortController();
    const running = long(first.signal);
    const controller = new AbortController();
    const queued = shorts.map(([, call]) => call(controller.signal));
    const later = SHORT.policyLoss!(new AbortController().signal);
    const reason = new Error('changed my mind');
    controller.abort(reason);
    first.abort(reason); // or this test would wait for the long one to end
    await expectAborted(running, first, reason);
    for (const promise of queued) await expectAborted(promise, controller, reason);
    await expect(later).resolves.toBeDefined();
  });

  it.each([
    ['linearLogprobs', long],
    ['linearLogprobsBackward', longBackward],
  ])('of a running call ends it: %s', async (_, call) => {
    configureKernels({ implementation: 'portable', threads: 2 });
    const controller = new AbortController();
    const promise = call(controller.signal);
    for (let i = 0; i < 50; i++) await setImmediate();
    const reason = { any: 'value' };
    controller.abort(reason);
    await expectAborted(promise, controller, reason);
    // The context is as good as new.
    const { logp } = await tokenLogprobs(pair);
    expect([...logp.data]).toEqual([...floats([-Math.log(3), -Math.log(3)]).data]);
  });

  it.each(shorts)('after the end does nothing, and no listener stays: %s', async (_, call) => {
    const controller = new AbortController();
    await call(controller.signal);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    controller.abort(new Error('too late'));
    await call(new AbortController().signal);
  });

  it('of many calls by one signal ends them all by one listener', async () => {
    configureKernels({ implementation: 'portable', threads: 1 });
    const controller = new AbortController();
    const calls = Array.from({ length: 30 }, () => long(controller.signal));
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    const reason = new Error('all of you');
    controller.abort(reason);
    for (const call of calls) await expectAborted(call, controller, reason);
  });

  it('leaves no listener after an error either', async () => {
    const controller = new AbortController();
    const bad = { logits, targets: ints([0, 3]) };
    await expect(tokenLogprobs(bad, { signal: controller.signal })).rejects.toMatchObject({
      argument: 'targets',
    });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('by AbortSignal.timeout rejects with its TimeoutError', async () => {
    configureKernels({ implementation: 'portable', threads: 1 });
    await expect(long(AbortSignal.timeout(30))).rejects.toMatchObject({ name: 'TimeoutError' });
  });
});
