import { describe, expect, it } from 'vitest';
import { linearLogprobsSync } from '../../lib/kernels/linear-logprobs.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { oracleLinear } from '../oracle/linear-logprobs.ts';
import { ints, matrix } from './batches.ts';
import { expectClose, use, VARIANTS } from './compare.ts';
import { forward, type LinearCase, linearCase, type Shape } from './linear-problems.ts';

const SEED = 31;
const NONE = { logp: 0, lse: 0, entropy: 0 };

function check(what: string, linear: LinearCase): void {
  const rows = oracleLinear(linear.problem).map((row) => row ?? NONE);
  const result = forward(linear);
  for (const name of ['logp', 'lse', 'entropy'] as const) {
    const expected = rows.map((row) => row[name]);
    expectClose(`${what} ${name}`, result[name]!.data, expected, { absolute: 1e-5, relative: 2e-7 });
  }
}

const SHAPES: Shape[] = [
  { rows: 1, vocab: 1, width: 1 },
  { rows: 3, vocab: 2, width: 1 },
  { rows: 5, vocab: 7, width: 3 },
  { rows: 13, vocab: 23, width: 17 },
  { rows: 49, vocab: 100, width: 33 }, // one row past a block of 48
  { rows: 4, vocab: 511, width: 8 },
  { rows: 4, vocab: 512, width: 8 },
  { rows: 4, vocab: 513, width: 8 }, // one entry past a tile of 512
  { rows: 60, vocab: 1300, width: 40 },
  { rows: 3, vocab: 20, width: 255 },
  { rows: 3, vocab: 20, width: 257 }, // one past a depth block of 256
  { rows: 2, vocab: 600, width: 777, temperature: 0.7 },
  { rows: 97, vocab: 1025, width: 5, temperature: 1.5 },
];

describe.each(VARIANTS)(`linear log-probs, $implementation $dtype (seed ${SEED})`, (variant) => {
  const { implementation, dtype } = variant;

  it.each(SHAPES)('agree with float64 at T=$rows V=$vocab H=$width', (shape) => {
    use(implementation);
    check(JSON.stringify(shape), linearCase(dtype, shape, SEED));
  });

  it('agree at every tail of rows, columns and depth', () => {
    use(implementation);
    for (let size = 1; size <= 19; size++) {
      const shape = { rows: size, vocab: 2 * size - 1, width: (3 * size) % 11 || 1 };
      check(JSON.stringify(shape), linearCase(dtype, shape, SEED + size));
    }
  });

  it('put the target in any tile', () => {
    use(implementation);
    const linear = linearCase(dtype, { rows: 7, vocab: 1537, width: 6 }, SEED);
    linear.problem.targets = [0, 511, 512, 1023, 1024, 1535, 1536];
    check('edges', linear);
  });

  it('stay precise where the head is sure of itself', () => {
    use(implementation);
    // hidden row t is the direction of its own target, which leads by 6, 12, 18, 24.
    const hidden = matrix(dtype, 4, 4, (t, h) => (t === h ? 6 * (t + 1) : 0));
    const weight = matrix(dtype, 600, 4, (v, h) => (v % 150 === 0 && v / 150 === h ? 1 : 0));
    const targets = [0, 150, 300, 450];
    const { logp } = linearLogprobsSync({
      hidden: hidden.tensor,
      weight: weight.tensor,
      targets: ints(targets),
    });
    const problem = { rows: 4, vocab: 600, width: 4, targets, temperature: 1 };
    const rows = oracleLinear({ ...problem, hidden: hidden.values, weight: weight.values });
    expectClose(
      'logp',
      logp.data,
      rows.map((row) => row!.logp),
      { relative: 1e-6 },
    );
  });

  it('agree with the token kernel fed the same logits', () => {
    use(implementation);
    // Small whole numbers: the products and sums are exact, so the logits are the same to the bit.
    const hidden = matrix(dtype, 9, 12, (t, h) => ((t * 7 + h * 3) % 5) - 2);
    const weight = matrix(dtype, 700, 12, (v, h) => ((v * 11 + h * 5) % 7) - 3);
    const targets = ints([0, 1, 699, 512, 511, 5, 6, 7, 8]);
    const logits = matrix('f32', 9, 700, (t, v) => {
      let sum = 0;
      for (let h = 0; h < 12; h++) sum += hidden.values[t * 12 + h]! * weight.values[v * 12 + h]!;
      return sum;
    });
    const linear = linearLogprobsSync(
      { hidden: hidden.tensor, weight: weight.tensor, targets },
      { entropy: true },
    );
    const token = tokenLogprobsSync({ logits: logits.tensor, targets }, { entropy: true });
    for (const name of ['logp', 'lse', 'entropy'] as const) {
      expectClose(name, linear[name]!.data, token[name]!.data, { relative: 5e-7 });
    }
  });

  it('leave ignored rows at 0 whatever they hold, and show NaN elsewhere', () => {
    use(implementation);
    const hidden = matrix(dtype, 4, 3, (t) => (t === 1 || t === 2 ? Number.NaN : 0.5));
    const weight = matrix(dtype, 20, 3, (v) => v / 20);
    const given = { hidden: hidden.tensor, weight: weight.tensor, targets: ints([3, -100, 4, 19]) };
    const { logp, entropy } = linearLogprobsSync(given, { entropy: true });
    expect([logp.data[1], entropy!.data[1]]).toEqual([0, 0]);
    expect([...logp.data].map(Number.isNaN)).toEqual([false, false, true, false]);
  });

  it('accept a batch of no rows', () => {
    use(implementation);
    const given = {
      hidden: Tensor.alloc(dtype, [0, 4]),
      weight: Tensor.alloc(dtype, [9, 4]),
      targets: ints([]),
    };
    expect(linearLogprobsSync(given).logp.size).toBe(0);
  });
});
