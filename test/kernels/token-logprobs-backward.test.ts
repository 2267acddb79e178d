import { describe, expect, it } from 'vitest';
import type { LogprobOptions } from '../../lib/kernels/logprobs.ts';
import { type FloatDType, Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsBackwardSync, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { oracleRow, oracleRowGradient } from '../oracle/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { decode, floats, ints, type Matrix, matrix, normal, rowOf } from './batches.ts';
import { expectClose, expectSameBits, type FloatType, ROUNDING, use, VARIANTS } from './compare.ts';

const SEED = 1707;

function gradient(logits: Matrix, targets: number[], dlogp: number[], options: LogprobOptions = {}) {
  const given = { logits: logits.tensor, targets: ints(targets) };
  const forward = tokenLogprobsSync(given, options);
  return tokenLogprobsBackwardSync({ ...given, ...onlyForward(forward), dlogp: floats(dlogp) }, options);
}

function onlyForward({ logp, lse }: { logp: Tensor<'f32'>; lse: Tensor<'f32'> }) {
  return { logp, lse };
}

function check(
  what: string,
  dtype: FloatType,
  logits: Matrix,
  targets: number[],
  dlogp: number[],
  temperature = 1,
  // 16-bit results are rounded; f32 ones carry the error of exp and of a tempered logit.
  relative = Math.max(1e-5, 1.01 * ROUNDING[dtype]),
) {
  const actual = decode(gradient(logits, targets, dlogp, { temperature }));
  const expected = targets.flatMap((target, t) => [
    ...oracleRowGradient(rowOf(logits, t), target, Math.fround(temperature), Math.fround(dlogp[t]!)),
  ]);
  const largest = Math.max(...dlogp.map(Math.abs)) / temperature;
  expectClose(what, actual, expected, { absolute: 1e-7 * largest, relative });
}

describe.each(VARIANTS)(`token log-probs backward, $implementation $dtype (seed ${SEED})`, (variant) => {
  const { implementation, dtype } = variant;

  it.each([
    [1, 3],
    [2, 9],
    [7, 9],
    [23, 9],
    [1000, 5],
    [32000, 2],
    [151936, 1],
  ])('agrees with float64 at V = %i', (vocab, rows) => {
    use(implementation);
    const random = seededRandom(SEED + vocab);
    const logits = matrix(dtype, rows, vocab, () => 3 * normal(random));
    const targets = Array.from({ length: rows }, () => random.int(0, vocab - 1));
    check(
      `V=${vocab}`,
      dtype,
      logits,
      targets,
      targets.map(() => normal(random)),
    );
  });

  it('agrees at every lane tail', () => {
    use(implementation);
    const random = seededRandom(SEED);
    for (let vocab = 1; vocab <= 26; vocab++) {
      const logits = matrix(dtype, vocab, vocab, () => 2 * normal(random));
      const targets = [...Array(vocab).keys()];
      check(
        `V=${vocab}`,
        dtype,
        logits,
        targets,
        targets.map(() => normal(random)),
      );
    }
  });

  it.each([0.5, 1.3])('divides by a temperature of %d', (temperature) => {
    use(implementation);
    const random = seededRandom(SEED);
    const logits = matrix(dtype, 6, 203, () => 2 * normal(random));
    check(
      `T=${temperature}`,
      dtype,
      logits,
      [0, 1, 99, 200, 201, 202],
      [1, -1, 0.5, 2, -3, 1e-3],
      temperature,
    );
  });

  it('agrees at logits around 1e4, where the stored lse is coarse', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const logits = matrix(dtype, 12, 300, () => random.pick([-1e4, 9990, 9998, 1e4]) + random.next());
    const likely = Array.from({ length: 12 }, (_, t) => rowOf(logits, t).findIndex((z) => z > 9000));
    check('huge', dtype, logits, likely, Array(12).fill(1));
    // With a hopeless target neither stored number is fine enough: half an ulp of 1e4 is the best to be had.
    const hopeless = Array.from({ length: 12 }, (_, t) => rowOf(logits, t).findIndex((z) => z < 0));
    check('hopeless', dtype, logits, hopeless, Array(12).fill(1), 1, dtype === 'f32' ? 2 ** -10 : 2 ** -7);
  });

  it('is the slope of the oracle loss', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const logits = matrix(dtype, 1, 9, () => normal(random));
    const actual = decode(gradient(logits, [4], [1]));
    const step = 1e-5;
    const slopes = logits.values.map((_, v) => {
      const at = (shift: number) =>
        oracleRow(
          logits.values.map((x, i) => (i === v ? x + shift : x)),
          4,
        ).logp;
      return (at(step) - at(-step)) / (2 * step);
    });
    expectClose('slope', actual, slopes, { absolute: 1e-7, relative: Math.max(1e-5, ROUNDING[dtype]) });
  });

  it('gives 0 to entries of -inf', () => {
    use(implementation);
    const logits = matrix(dtype, 1, 12, (_, v) => (v % 3 === 1 ? -Infinity : v / 5));
    const actual = decode(gradient(logits, [3], [1]));
    for (let v = 1; v < 12; v += 3) expect(Math.abs(actual[v]!), `entry ${v}`).toBe(0);
    expect(actual.every(Number.isFinite)).toBe(true);
  });

  it('writes 0 to ignored rows and rows of dlogp = 0 without reading their logits', () => {
    use(implementation);
    const logits = matrix(dtype, 3, 13, (t, v) => (t < 2 ? Number.NaN : v));
    const dlogits = Tensor.alloc(dtype, [3, 13]) as Tensor<FloatDType>;
    dlogits.data.fill(7);
    const vectors = { logp: floats([0, -1, -1]), lse: floats([0, 1, 1]), dlogp: floats([5, 0, 1]) };
    tokenLogprobsBackwardSync({ logits: logits.tensor, targets: ints([-100, 2, 3]), ...vectors, dlogits });
    expect([...dlogits.data.subarray(0, 26)]).toEqual(Array(26).fill(0));
    expect([...decode(dlogits).subarray(26)].every((x) => x !== 0 && Number.isFinite(x))).toBe(true);
  });

  it('gives the same bits in place', () => {
    use(implementation);
    const random = seededRandom(SEED);
    for (const vocab of [1, 7, 8, 9, 1031]) {
      const logits = matrix(dtype, 5, vocab, () => 3 * normal(random));
      const given = { logits: logits.tensor, targets: ints([0, vocab - 1, vocab >> 1, -100, 0]) };
      const { logp, lse } = tokenLogprobsSync(given);
      const dlogp = floats([1, -2, 0.3, 1, 0]);
      const apart = tokenLogprobsBackwardSync({ ...given, logp, lse, dlogp });
      const inPlace = tokenLogprobsBackwardSync({ ...given, logp, lse, dlogp, dlogits: logits.tensor });
      expect(inPlace).toBe(logits.tensor);
      expectSameBits(`V=${vocab}`, inPlace.data, apart.data);
    }
  });

  it('accepts a batch of no rows', () => {
    use(implementation);
    const none = Tensor.alloc('f32', [0]);
    const given = {
      logits: Tensor.alloc(dtype, [0, 5]),
      targets: ints([]),
      logp: none,
      lse: none,
      dlogp: none,
    };
    expect(tokenLogprobsBackwardSync(given).size).toBe(0);
  });
});
