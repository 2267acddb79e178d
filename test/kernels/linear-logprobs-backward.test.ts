import { describe, expect, it } from 'vitest';
import { linearLogprobsBackwardSync } from '../../lib/kernels/linear-logprobs.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { centralDifferences, oracleLinearGradient } from '../oracle/linear-logprobs.ts';
import { floats, ints } from './batches.ts';
import { expectClose, expectSameBits, use, VARIANTS } from './compare.ts';
import { backward, type LinearCase, linearCase, type Shape } from './linear-problems.ts';

const SEED = 47;

/** Gradients are f32 sums of products of order 1: an error relative to the largest entry. */
function check(what: string, linear: LinearCase): void {
  const expected = oracleLinearGradient(linear.problem, linear.dlogp);
  const actual = backward(linear);
  for (const name of ['dhidden', 'dweight'] as const) {
    const largest = expected[name].reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    expectClose(`${what} ${name}`, actual[name]!.data, expected[name], {
      absolute: 2e-6 * largest,
      relative: 1e-5,
    });
  }
}

const SHAPES: Shape[] = [
  { rows: 1, vocab: 1, width: 1 },
  { rows: 3, vocab: 2, width: 1 },
  { rows: 13, vocab: 23, width: 17 },
  { rows: 49, vocab: 100, width: 33 },
  { rows: 4, vocab: 513, width: 8 },
  { rows: 60, vocab: 1300, width: 40 },
  { rows: 3, vocab: 20, width: 257 },
  { rows: 11, vocab: 600, width: 301, temperature: 0.7 },
  { rows: 500, vocab: 21, width: 6 }, // 343 active rows: one chunk
  { rows: 600, vocab: 530, width: 7, temperature: 1.5 }, // 412 active rows: past a chunk of 384
];

describe.each(VARIANTS)(`linear log-probs backward, $implementation $dtype (seed ${SEED})`, (variant) => {
  const { implementation, dtype } = variant;

  it.each(SHAPES)('agrees with float64 at T=$rows V=$vocab H=$width', (shape) => {
    use(implementation);
    check(JSON.stringify(shape), linearCase(dtype, shape, SEED));
  });

  it('agrees at every tail of rows, columns and depth', () => {
    use(implementation);
    for (let size = 1; size <= 19; size++) {
      const shape = { rows: size, vocab: 2 * size - 1, width: (3 * size) % 11 || 1 };
      check(JSON.stringify(shape), linearCase(dtype, shape, SEED + size));
    }
  });

  it('is the slope of the oracle loss', () => {
    use(implementation);
    const linear = linearCase(dtype, { rows: 8, vocab: 11, width: 5, temperature: 0.8 }, SEED);
    const { problem, dlogp } = linear;
    const actual = backward(linear);
    const tolerance = { absolute: 1e-6, relative: 1e-5 };
    expectClose(
      'dhidden',
      actual.dhidden.data,
      centralDifferences(problem, dlogp, problem.hidden),
      tolerance,
    );
    expectClose(
      'dweight',
      actual.dweight!.data,
      centralDifferences(problem, dlogp, problem.weight),
      tolerance,
    );
  });

  it('gives 0 to ignored rows and rows of dlogp = 0, NaN or not, and counts them nowhere', () => {
    use(implementation);
    const linear = linearCase(dtype, { rows: 35, vocab: 90, width: 9 }, SEED);
    const expected = oracleLinearGradient(linear.problem, linear.dlogp);
    const nan = dtype === 'f32' ? Number.NaN : 0x7fc0;
    const skipped = [...Array(35).keys()].filter(
      (t) => linear.dlogp[t] === 0 || linear.problem.targets[t]! < 0,
    );
    for (const t of skipped) linear.hidden.tensor.data.fill(nan, t * 9, (t + 1) * 9);
    const { dhidden, dweight } = backward(linear);
    for (const t of skipped) expect([...dhidden.data.subarray(t * 9, (t + 1) * 9)]).toEqual(Array(9).fill(0));
    expectClose('dweight', dweight!.data, expected.dweight, { absolute: 1e-5 });
  });

  it('with a frozen head gives the same dhidden and no dweight', () => {
    use(implementation);
    const linear = linearCase(dtype, { rows: 50, vocab: 600, width: 12 }, SEED);
    const frozen = backward(linear, { frozenHead: true });
    expect(frozen.dweight).toBeNull();
    expectSameBits('dhidden', frozen.dhidden.data, backward(linear).dhidden.data);
  });

  it('overwrites dweight, or adds to it on request', () => {
    use(implementation);
    const linear = linearCase(dtype, { rows: 50, vocab: 530, width: 6 }, SEED);
    const plain = backward(linear).dweight!.data;
    const dweight = Tensor.alloc('f32', [530, 6]);
    dweight.data.fill(3);
    backward(linear, { out: { dweight } });
    expectSameBits('overwritten', dweight.data, plain);
    dweight.data.fill(3);
    backward(linear, { out: { dweight }, accumulate: true });
    expectClose(
      'added',
      dweight.data,
      plain.map((x) => x + 3),
      { absolute: 2e-6 },
    );
  });

  it('clears dweight where no row counts', () => {
    use(implementation);
    const dweight = Tensor.alloc('f32', [4, 2]);
    for (const [rows, targets] of [
      [0, []],
      [2, [-100, -100]],
    ] as const) {
      dweight.data.fill(9);
      const zeros = floats(Array(rows).fill(1));
      const given = { hidden: Tensor.alloc(dtype, [rows, 2]), weight: Tensor.alloc(dtype, [4, 2]) };
      const vectors = { targets: ints(targets), logp: zeros, lse: zeros, dlogp: zeros };
      linearLogprobsBackwardSync({ ...given, ...vectors }, { out: { dweight } });
      expect([...dweight.data]).toEqual(Array(8).fill(0));
    }
  });
});
