import { describe, expect, it } from 'vitest';
import { configureKernels } from '../../lib/kernels/device.ts';
import { type FloatDType, Tensor } from '../../lib/kernels/tensor.ts';
import {
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
  tokenLogprobsWithGradient,
  tokenLogprobsWithGradientSync,
} from '../../lib/kernels/token-logprobs.ts';
import { oracleRow, oracleRowGradient } from '../oracle/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { decode, floats, ints, matrix, normal, rowOf } from './batches.ts';
import { expectClose, expectSameBits, IMPLEMENTATIONS, ROUNDING, use, VARIANTS } from './compare.ts';

const SEED = 991;

describe.each(VARIANTS)(`log-probs with their gradient, $implementation $dtype (seed ${SEED})`, (variant) => {
  const { implementation, dtype } = variant;
  const relative = Math.max(1e-5, 1.01 * ROUNDING[dtype]);

  it.each([1, 2, 7, 16, 33, 1000, 2047, 2048, 2049, 2081, 6200, 32000])(
    'agree with float64 at V = %i',
    (vocab) => {
      use(implementation);
      const random = seededRandom(SEED + vocab);
      const rows = 4;
      const logits = matrix(dtype, rows, vocab, () => 3 * normal(random));
      const targets = [0, vocab - 1, vocab >> 1, random.int(0, vocab - 1)];
      const weights = targets.map(() => Math.fround(normal(random)));
      const input = { logits: logits.tensor, targets: ints(targets) };
      for (const rowWeights of [undefined, floats(weights)]) {
        const result = tokenLogprobsWithGradientSync(
          { ...input, ...(rowWeights && { rowWeights }) },
          { entropy: true },
        );
        const oracle = targets.map((target, t) => oracleRow(rowOf(logits, t), target));
        for (const name of ['logp', 'lse', 'entropy'] as const) {
          const expected = oracle.map((row) => row[name]);
          expectClose(`${name} V=${vocab}`, result[name]!.data, expected, {
            absolute: 1e-5,
            relative: 2e-7,
          });
        }
        const expected = targets.flatMap((target, t) => [
          ...oracleRowGradient(rowOf(logits, t), target, 1, rowWeights ? weights[t]! : 1),
        ]);
        expectClose(`dlogits V=${vocab}`, decode(result.dlogits), expected, { absolute: 3e-7, relative });
      }
    },
  );

  it('give the same bits in place, whatever the weights of other rows', () => {
    use(implementation);
    const random = seededRandom(SEED);
    for (const vocab of [1, 9, 2100]) {
      const logits = matrix(dtype, 3, vocab, () => 3 * normal(random));
      const input = { logits: logits.tensor, targets: ints([0, vocab - 1, vocab >> 1]) };
      const apart = tokenLogprobsWithGradientSync(input);
      const mixed = tokenLogprobsWithGradientSync({ ...input, rowWeights: floats([1, 0, 1]) });
      const row = (of: Tensor<FloatDType>, t: number) => of.data.slice(t * vocab, (t + 1) * vocab);
      expectSameBits('row 0', row(mixed.dlogits, 0), row(apart.dlogits, 0));
      expect([...row(mixed.dlogits, 1)]).toEqual(Array(vocab).fill(0));
      const inPlace = tokenLogprobsWithGradientSync({ ...input, dlogits: logits.tensor });
      expect(inPlace.dlogits).toBe(logits.tensor);
      expectSameBits(`V=${vocab}`, inPlace.dlogits.data, apart.dlogits.data);
      expectSameBits('logp', inPlace.logp.data, apart.logp.data);
      // A row of weight 0 goes the way of the plain forward.
      expectClose('logp of weight 0', mixed.logp.data, apart.logp.data, { relative: 2e-6 });
    }
  });

  it('give 0 to entries of -inf, and NaN only to the row that holds one', () => {
    use(implementation);
    const logits = matrix(dtype, 3, 2500, (t, v) => {
      if (t === 1 && v === 2300) return Number.NaN;
      return v % 3 === 1 ? -Infinity : Math.sin(v + t);
    });
    const { logp, dlogits } = tokenLogprobsWithGradientSync({
      logits: logits.tensor,
      targets: ints([0, 0, 2499]),
    });
    const values = decode(dlogits);
    expect([...logp.data].map(Number.isNaN)).toEqual([false, true, false]);
    for (let v = 0; v < 2500; v++) {
      if (v % 3 === 1) expect(Math.abs(values[v]!) + Math.abs(values[5000 + v]!), `entry ${v}`).toBe(0);
      else if (!Number.isFinite(values[v]!) || !Number.isFinite(values[5000 + v]!)) expect.fail(`entry ${v}`);
      if (v > 0 && !Number.isNaN(values[2500 + v]!)) expect.fail(`entry ${v} of the row with a NaN`);
    }
  });

  it('do not read ignored rows', () => {
    use(implementation);
    const logits = matrix(dtype, 2, 40, (t, v) => (t === 0 ? Number.NaN : v / 9));
    const result = tokenLogprobsWithGradientSync(
      { logits: logits.tensor, targets: ints([-100, 3]) },
      { entropy: true },
    );
    expect([result.logp.data[0], result.lse.data[0], result.entropy!.data[0]]).toEqual([0, 0, 0]);
    expect([...result.dlogits.data.subarray(0, 40)]).toEqual(Array(40).fill(0));
    expect([...decode(result.dlogits).subarray(40)].every((x) => Number.isFinite(x) && x !== 0)).toBe(true);
  });

  it('leave alone what lies beyond the vocabulary of longer rows', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const wide = matrix(dtype, 3, 24, (_, v) => (v < 17 ? normal(random) : Number.NaN));
    const narrow = matrix(dtype, 3, 17, (t, v) => rowOf(wide, t)[v]!);
    const targets = ints([0, 16, 5]);
    const expected = tokenLogprobsWithGradientSync({ logits: narrow.tensor, targets });
    const dlogits = Tensor.alloc(dtype, [3, 24]) as Tensor<FloatDType>;
    dlogits.data.fill(9);
    const given = { logits: wide.tensor, targets, vocab: 17 };
    const actual = tokenLogprobsWithGradientSync({ ...given, dlogits });
    const forward = tokenLogprobsSync(given);
    expectSameBits('logp', actual.logp.data, expected.logp.data);
    const backward = tokenLogprobsBackwardSync({ ...given, ...forward, dlogp: floats([1, 1, 1]) });
    for (let t = 0; t < 3; t++) {
      const row = actual.dlogits.data.slice(t * 24, t * 24 + 17);
      expectSameBits(`row ${t}`, row, expected.dlogits.data.slice(t * 17, t * 17 + 17));
      expect([...dlogits.data.subarray(t * 24 + 17, (t + 1) * 24)]).toEqual(Array(7).fill(9));
      const own = decode(backward).subarray(t * 24, t * 24 + 17);
      expectClose(`backward ${t}`, own, decode(actual.dlogits).subarray(t * 24, t * 24 + 17), {
        absolute: 1e-6,
        relative: 3 * relative,
      });
    }
  });
});

describe.each(IMPLEMENTATIONS)('log-probs with their gradient, %s', (implementation) => {
  it('keep 1 - p of a peaked row, and do not depend on the number of threads', async () => {
    const random = seededRandom(SEED);
    const logits = matrix('f32', 6, 5000, (_, v) => (v === 7 ? 24 : normal(random)));
    const given = { logits: logits.tensor, targets: ints([7, 7, 7, 1, 2, 3]) };
    use(implementation, 1);
    const one = tokenLogprobsWithGradientSync(given);
    use(implementation, 3);
    const three = await tokenLogprobsWithGradient(given);
    expectSameBits('dlogits', three.dlogits.data, one.dlogits.data);
    for (const t of [0, 1, 2]) {
      const expected = oracleRowGradient(rowOf(logits, t), 7, 1, 1)[7]!;
      expect(Math.abs(one.dlogits.data[t * 5000 + 7]! / expected - 1), `row ${t}`).toBeLessThan(1e-6);
    }
    configureKernels({ implementation });
  });
});
