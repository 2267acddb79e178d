import { describe, expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import {
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
  tokenLogprobsWithGradientSync,
} from '../../lib/kernels/token-logprobs.ts';
import { oracleTransformedGradient, oracleTransformedRow, type Transform } from '../oracle/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { decode, floats, ints, matrix, normal, rowOf } from './batches.ts';
import { expectClose, expectSameBits, ROUNDING, use, VARIANTS } from './compare.ts';

const SEED = 20251123;

interface Case {
  name: string;
  softcap?: number;
  perRow?: boolean;
  spread?: number;
}

const CASES: Case[] = [
  { name: 'a softcap', softcap: 3 },
  { name: 'a softcap that nothing comes near', softcap: 1000 },
  { name: 'a softcap that all logits exceed', softcap: 0.5, spread: 40 },
  { name: 'a temperature per row', perRow: true },
  { name: 'a softcap and a temperature per row', softcap: 5, perRow: true, spread: 6 },
];

describe.each(VARIANTS)(`logit transforms, $implementation $dtype (seed ${SEED})`, (variant) => {
  const { implementation, dtype } = variant;

  it.each(CASES)('$name: forward, backward and both at once agree with float64', (given) => {
    use(implementation);
    const { softcap, perRow = false, spread = 3 } = given;
    const random = seededRandom(SEED);
    for (const vocab of [1, 6, 17, 1000, 4099]) {
      const rows = 5;
      const logits = matrix(dtype, rows, vocab, () => spread * normal(random));
      const targets = Array.from({ length: rows }, () => random.int(0, vocab - 1));
      const temperatures = floats(targets.map(() => 0.3 + 2 * random.next()));
      const options = { ...(softcap && { softcap }), temperature: perRow ? temperatures : 0.75 };
      const dlogp = floats(targets.map(() => normal(random)));
      const dentropy = floats(targets.map(() => normal(random)));

      const input = { logits: logits.tensor, targets: ints(targets) };
      const forward = tokenLogprobsSync(input, { ...options, entropy: true });
      const transform = (t: number): Transform => ({
        ...(softcap && { softcap: Math.fround(softcap) }),
        temperature: perRow ? temperatures.data[t]! : 0.75,
      });
      const oracle = targets.map((target, t) => oracleTransformedRow(rowOf(logits, t), target, transform(t)));
      for (const name of ['logp', 'lse', 'entropy'] as const) {
        const expected = oracle.map((row) => row[name]);
        expectClose(`${name} V=${vocab}`, forward[name]!.data, expected, { absolute: 1e-5, relative: 3e-7 });
      }

      const { logp, lse, entropy } = forward;
      const expectGradient = (what: string, actual: Tensor<never>, withEntropy: boolean) => {
        const expected = targets.flatMap((target, t) => [
          ...oracleTransformedGradient(
            rowOf(logits, t),
            target,
            transform(t),
            dlogp.data[t]!,
            withEntropy ? dentropy.data[t]! : 0,
          ),
        ]);
        const tolerance = { absolute: 3e-6, relative: Math.max(3e-5, 1.01 * ROUNDING[dtype]) };
        expectClose(`${what} V=${vocab}`, decode(actual), expected, tolerance);
      };
      const columns = { ...input, logp, lse, dlogp };
      expectGradient('dlogits', tokenLogprobsBackwardSync(columns, options) as never, false);
      const both = tokenLogprobsBackwardSync({ ...columns, entropy, dentropy }, options);
      expectGradient('dlogits with dentropy', both as never, true);
      const at = tokenLogprobsWithGradientSync(
        { ...input, rowWeights: dlogp },
        { ...options, entropy: true },
      );
      expectGradient('dlogits in one call', at.dlogits as never, false);
    }
  });

  it('a temperature per row gives the bits of that temperature alone', () => {
    use(implementation);
    const random = seededRandom(SEED);
    const logits = matrix(dtype, 3, 900, () => 2 * normal(random));
    const input = { logits: logits.tensor, targets: ints([1, 2, 3]) };
    const each = tokenLogprobsSync(input, { temperature: floats([0.5, 1, 1.75]), softcap: 9 });
    [0.5, 1, 1.75].forEach((temperature, t) => {
      const alone = tokenLogprobsSync(input, { temperature, softcap: 9 });
      expect(each.logp.data[t]).toBe(alone.logp.data[t]);
    });
  });
});

describe('entries of -inf under a softcap', () => {
  it.each(VARIANTS)('stay out: probability 0, gradient 0, $implementation $dtype', (variant) => {
    use(variant.implementation);
    const logits = matrix(variant.dtype, 1, 50, (_, v) => (v % 4 === 1 ? -Infinity : Math.sin(v)));
    const input = { logits: logits.tensor, targets: ints([4]) };
    const expected = oracleTransformedRow(rowOf(logits, 0), 4, { softcap: 2 });
    const { logp, entropy, dlogits } = tokenLogprobsWithGradientSync(input, { softcap: 2, entropy: true });
    expectClose('logp', logp.data, [expected.logp], { absolute: 1e-6 });
    expectClose('entropy', entropy!.data, [expected.entropy], { absolute: 2e-6 });
    for (let v = 1; v < 50; v += 4) expect(Math.abs(decode(dlogits)[v]!), `entry ${v}`).toBe(0);
    expect(decode(dlogits).every(Number.isFinite)).toBe(true);
  });
});

describe('the entropy alone', () => {
  it.each(VARIANTS)('has the gradient of its central differences, $implementation $dtype', (variant) => {
    use(variant.implementation);
    const random = seededRandom(SEED);
    const logits = matrix(variant.dtype, 1, 11, () => normal(random));
    const input = { logits: logits.tensor, targets: ints([3]) };
    const options = { softcap: 2, temperature: 0.7 };
    const forward = tokenLogprobsSync(input, { ...options, entropy: true });
    const columns = { ...input, ...forward, dlogp: floats([0]), dentropy: floats([1]) };
    const actual = decode(tokenLogprobsBackwardSync(columns, options));
    const transform = { softcap: 2, temperature: Math.fround(0.7) };
    const slopes = Array.from({ length: 11 }, (_, v) => {
      const at = (shift: number) =>
        oracleTransformedRow(
          logits.values.map((x, i) => (i === v ? x + shift : x)),
          3,
          transform,
        ).entropy;
      return (at(1e-5) - at(-1e-5)) / 2e-5;
    });
    expectClose('slope', actual, slopes, {
      absolute: 1e-6,
      relative: Math.max(1e-5, ROUNDING[variant.dtype]),
    });
  });

  it("needs the forward's entropy", () => {
    const input = { logits: Tensor.alloc('f32', [1, 4]), targets: ints([0]) };
    const { logp, lse } = tokenLogprobsSync(input);
    const call = () =>
      tokenLogprobsBackwardSync({ ...input, logp, lse, dlogp: floats([1]), dentropy: floats([1]) });
    expect(call).toThrow(expect.objectContaining({ argument: 'entropy' }));
  });
});

it('a softcap of 30 moves small logits by nothing and keeps the bits of none where it is absent', () => {
  const logits = matrix('f32', 2, 40, (t, v) => (t + v) / 1000);
  const input = { logits: logits.tensor, targets: ints([0, 39]) };
  const plain = tokenLogprobsSync(input);
  expectSameBits('undefined', tokenLogprobsSync(input, {}).logp.data, plain.logp.data);
  expectClose('softcap 1e4', tokenLogprobsSync(input, { softcap: 1e4 }).logp.data, plain.logp.data, {
    absolute: 1e-6,
  });
});
