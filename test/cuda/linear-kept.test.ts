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
import { expectClose, FLOAT_TYPES } from '../kernels/compare.ts';
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
});
