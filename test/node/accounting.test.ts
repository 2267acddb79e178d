import { setImmediate } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';
import { describe, expect, it } from 'vitest';
import { configureKernels } from '../../lib/kernels/device.ts';
import { addon } from '../../lib/kernels/native.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobs } from '../../lib/kernels/token-logprobs.ts';
import { Policy } from '../../lib/policy/policy.ts';

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc') as () => void;

async function external(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect();
    await setImmediate();
  }
  return addon().inspect().externalBytes;
}

const MIB = 2 ** 20;

describe('memory that V8 does not allocate', () => {
  it('is reported while a queued call holds copies, and taken back when it has settled', async () => {
    configureKernels({ threads: 1 });
    const logits = Tensor.from('f32', new Float32Array(4 * MIB), [64, MIB / 16]);
    const targets = Tensor.from('i32', new Int32Array(64));
    await tokenLogprobs({ logits, targets });
    const before = await external();
    const calls = Array.from({ length: 4 }, () => tokenLogprobs({ logits, targets }));
    const during = addon().inspect().externalBytes;
    await Promise.all(calls);
    expect(during - before).toBeGreaterThan(4 * 16 * MIB);
    expect(Math.abs((await external()) - before)).toBeLessThan(MIB);
  });

  it('is taken back after calls that failed, too', async () => {
    const logits = Tensor.from('f32', new Float32Array(MIB), [16, MIB / 16]);
    const targets = Tensor.from('i32', new Int32Array(16).fill(-1));
    const before = await external();
    for (let i = 0; i < 50; i++) {
      await expect(tokenLogprobs({ logits, targets })).rejects.toMatchObject({ argument: 'targets' });
    }
    expect(Math.abs((await external()) - before)).toBeLessThan(MIB);
  });

  it('of a policy is its parameters, gradients and moments, until it is collected', async () => {
    const before = await external();
    const make = () => {
      const sizes = { vocab: 2048, width: 256, layers: 2, heads: 4, mlpWidth: 512, maxContext: 64 };
      return new Policy(sizes, { threads: 1 });
    };
    let policy: Policy | undefined = make();
    // Embedding and head alone are 2 x 2048 x 256 floats, four times over.
    expect((await external()) - before).toBeGreaterThan(16 * MIB);
    expect(policy.config.vocab).toBe(2048);
    policy = undefined;
    expect(Math.abs((await external()) - before)).toBeLessThan(MIB);
  });

  it('of calls whose inputs nobody else holds survives a collection', async () => {
    const jobs = Array.from({ length: 20 }, (_, i) => {
      const own = Tensor.from('f32', new Float32Array(32).fill(i), [8, 4]);
      const logits = i % 2 ? Tensor.alloc('f32', [8, 4]) : own;
      return tokenLogprobs({ logits, targets: Tensor.alloc('i32', [8]) });
    });
    collect();
    for (const { logp } of await Promise.all(jobs)) {
      expect(logp.data.every((x) => x === Math.fround(-Math.log(4)))).toBe(true);
    }
  });
});
