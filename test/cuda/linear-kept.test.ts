import { describe, expect, it } from 'vitest';
import {
  keptLogits,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from '../../lib/kernels/linear-logprobs.ts';
import {
  linearLogprobsWithGradient,
  linearLogprobsWithGradientSync,
} from '../../lib/kernels/linear-with-gradient.ts';
import { Stream } from '../../lib/kernels/stream.ts';
import type { Tensor } from '../../lib/kernels/tensor.ts';
import { floats, ints } from '../kernels/batches.ts';
import { expectClose, expectSameBits, FLOAT_TYPES } from '../kernels/compare.ts';
import { linearCase } from '../kernels/linear-problems.ts';
import { oracleLinearGradient } from '../oracle/linear-logprobs.ts';
import { DEVICE } from './object.ts';

const SEED = 61;
/** Of the largest entry: f32's own, and what 16-bit logits and their gradients lose. */
const CLOSE = { f32: 2e-6, bf16: 8e-3, f16: 1e-3 };

describe.each(FLOAT_TYPES)(`kept logits on a device, %s (seed ${SEED})`, (dtype) => {
  const linear = linearCase(dtype, { rows: 75, vocab: 130, width: 12 }, SEED);
  const expected = oracleLinearGradient(linear.problem, linear.dlogp);
  const input = () => ({
    hidden: linear.hidden.tensor.toSync(DEVICE),
    weight: linear.weight.tensor.toSync(DEVICE),
    targets: ints(linear.problem.targets).toSync(DEVICE),
  });
  const check = (what: string, gradients: { dhidden: Tensor<'f32'>; dweight: Tensor<'f32'> | null }) => {
    for (const name of ['dhidden', 'dweight'] as const) {
      const largest = expected[name].reduce((top, x) => Math.max(top, Math.abs(x)), 0);
      const tolerance = { absolute: CLOSE[dtype] * largest, relative: 1e-5 };
      expectClose(`${what} ${name}`, gradients[name]!.toSync('cpu').data, expected[name], tolerance);
    }
  };

  it('serve the backward', () => {
    const given = input();
    const kept = keptLogits(75, 130, { device: DEVICE, dtype });
    const { logp, lse } = linearLogprobsSync(given, { kept });
    const dlogp = floats(linear.dlogp).toSync(DEVICE);
    check('kept', linearLogprobsBackwardSync({ ...given, logp, lse, dlogp }, { kept }));
    const short = kept.slice(0, kept.size - 1);
    expect(() => linearLogprobsSync(given, { kept: short })).toThrow(/kept: expected \d+ elements or more/);
  });

  it('serve both passes by chunks of rows, and leave nothing behind', async () => {
    const given = { ...input(), rowWeights: floats(linear.dlogp).toSync(DEVICE) };
    const free = () => Stream.default(DEVICE).memoryInfo().free;
    const before = free();
    const kept = keptLogits(32, 130, { device: DEVICE, dtype });
    for (const options of [{}, { kept }]) {
      const results = linearLogprobsWithGradientSync(given, options);
      check('both', results);
      for (const tensor of Object.values(results)) (tensor as Tensor | null)?.dispose();
      const later = await linearLogprobsWithGradient(given, options);
      check('both, later', later);
      for (const tensor of Object.values(later)) (tensor as Tensor | null)?.dispose();
    }
    kept.dispose();
    // Or more, where the collector has been at what an earlier test left.
    expect(free()).toBeGreaterThanOrEqual(before);
  });

  it('leave rows without a gradient out, whatever they hold', () => {
    const given = input();
    const dlogp = floats(linear.dlogp.map((g, t) => (t % 4 === 1 ? 0 : g))).toSync(DEVICE);
    const poisoned = linear.hidden.tensor.toSync('cpu');
    const nan = dtype === 'f32' ? Number.NaN : dtype === 'bf16' ? 0x7fc0 : 0x7e00;
    for (let t = 1; t < 75; t += 4) poisoned.data.fill(nan, t * 12, (t + 1) * 12);
    const hidden = poisoned.toSync(DEVICE);
    const gradients = (of: typeof given, columns: { logp: Tensor<'f32'>; lse: Tensor<'f32'> }) => {
      const kept = keptLogits(75, 130, { device: DEVICE, dtype });
      const own = linearLogprobsSync(of, { kept });
      // Twice: the first backward has written to what is kept.
      for (const forward of [columns, own]) {
        const { dhidden, dweight } = linearLogprobsBackwardSync({ ...of, ...forward, dlogp }, { kept });
        results.push([dhidden.toSync('cpu').data, dweight!.toSync('cpu').data]);
      }
    };
    const results: [Float32Array, Float32Array][] = [];
    const forward = linearLogprobsSync(given);
    gradients(given, forward);
    gradients({ ...given, hidden }, forward);
    const [[dhidden, dweight], ...others] = results as [(typeof results)[0], ...typeof results];
    for (const [index, [otherHidden, otherWeight]] of others.entries()) {
      expectSameBits(`dhidden ${index}`, otherHidden, dhidden);
      expectSameBits(`dweight ${index}`, otherWeight, dweight);
    }
  });
});
