import { lookup } from 'node:dns/promises';
import { stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { configureKernels } from '../../lib/kernels/device.ts';
import { linearLogprobs } from '../../lib/kernels/linear-logprobs.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobs, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { ints } from '../kernels/batches.ts';

/** Some ten seconds of work, which only an abort ends early: what happens before the abort happened during it. */
function longCalls(count: number): { promises: Promise<unknown>[]; abort(): Promise<void> } {
  configureKernels({ implementation: 'portable', threads: 1 });
  const hidden = Tensor.alloc('f32', [4000, 600]);
  const weight = Tensor.alloc('f32', [20000, 600]);
  const targets = Tensor.alloc('i32', [4000]);
  const controller = new AbortController();
  const { signal } = controller;
  const promises = Array.from({ length: count }, () =>
    linearLogprobs({ hidden, weight, targets }, { signal }),
  );
  return {
    promises,
    async abort() {
      const reason = new Error('seen enough');
      controller.abort(reason);
      for (const outcome of await Promise.allSettled(promises)) {
        expect(outcome, 'it was still under way').toMatchObject({ status: 'rejected', reason });
      }
    },
  };
}

describe('while a call runs', () => {
  it('the event loop turns', async () => {
    const calls = longCalls(1);
    for (let ticks = 0; ticks < 200; ticks++) await setImmediate();
    await calls.abort();
  });

  it("libuv's pool serves files and names, however many calls are queued", async () => {
    const calls = longCalls(16);
    for (let round = 0; round < 3; round++) {
      await Promise.all(Array.from({ length: 8 }, () => stat(import.meta.filename ?? process.execPath)));
    }
    await lookup('localhost');
    await calls.abort();
  });

  it('a bad call is refused at once', async () => {
    const calls = longCalls(2);
    const bad = { logits: Tensor.alloc('f32', [2, 2]), targets: ints([0]) };
    await expect(tokenLogprobs(bad)).rejects.toMatchObject({ argument: 'targets' });
    await calls.abort();
  });

  it('settled calls come back in the order they were made', async () => {
    const logits = Tensor.alloc('f32', [4, 100]);
    const order: number[] = [];
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        await tokenLogprobs({ logits, targets: ints([0, 1, 2, 3]) });
        order.push(i);
      }),
    );
    expect(order).toEqual([...Array(30).keys()]);
  });

  it('a synchronous call waits its turn and is right', async () => {
    configureKernels({});
    const logits = Tensor.alloc('f32', [64, 20000]);
    const targets = Tensor.alloc('i32', [64]);
    const promises = Array.from({ length: 4 }, () => tokenLogprobs({ logits, targets }));
    for (let i = 0; i < 5; i++) {
      const { logp } = tokenLogprobsSync({ logits, targets });
      expect(logp.data[63]).toBe(Math.fround(-Math.log(20000)));
    }
    await Promise.all(promises);
  });

  it('the kernels can be configured anew, queued calls and all', async () => {
    const logits = Tensor.alloc('f32', [64, 20000]);
    const targets = Tensor.alloc('i32', [64]);
    const head = { hidden: Tensor.alloc('f32', [200, 64]), weight: Tensor.alloc('f32', [999, 64]) };
    for (const threads of [1, 4, 2, 3]) {
      const promises = [
        tokenLogprobs({ logits, targets }),
        linearLogprobs({ ...head, targets: Tensor.alloc('i32', [200]) }),
      ];
      configureKernels({ threads });
      await Promise.all(promises);
    }
    configureKernels({});
  });
});
