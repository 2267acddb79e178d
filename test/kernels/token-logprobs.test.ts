import { describe, expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { oracleRow } from '../oracle/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { ints, type Matrix, matrix, normal, rowOf } from './batches.ts';
import { expectClose, use, VARIANTS } from './compare.ts';

const SEED = 20250514;
// f32 outputs: an absolute error, and their own rounding where the value is large.
const CLOSE = { absolute: 1e-5, relative: 2e-7 };

function check(what: string, logits: Matrix, targets: number[], temperature = 1, tolerance = CLOSE): void {
  const result = tokenLogprobsSync(
    { logits: logits.tensor, targets: ints(targets) },
    { temperature, entropy: true },
  );
  // The temperature crosses the interface as an f32.
  const rows = targets.map((target, t) => oracleRow(rowOf(logits, t), target, Math.fround(temperature)));
  for (const name of ['logp', 'lse', 'entropy'] as const) {
    const expected = rows.map((row) => row[name]);
    expectClose(`${what} ${name}`, result[name]!.data, expected, tolerance);
  }
  expect(Math.max(...result.logp.data), `${what}: a log-prob is never positive`).toBeLessThanOrEqual(0);
}

describe.each(VARIANTS)(
  `token log-probs, $implementation $dtype (seed ${SEED})`,
  ({ implementation, dtype }) => {
    it.each([
      [1, 4],
      [2, 9],
      [7, 9],
      [23, 9],
      [1000, 5],
      [32000, 3],
      [151936, 2],
    ])('agree with float64 at V = %i', (vocab, rows) => {
      use(implementation);
      const random = seededRandom(SEED + vocab);
      const logits = matrix(dtype, rows, vocab, () => 3 * normal(random));
      const targets = Array.from({ length: rows }, () => random.int(0, vocab - 1));
      targets[0] = 0;
      targets[1] = vocab - 1;
      check(`V=${vocab}`, logits, targets);
    });

    it('agree at every lane tail and every place of the target', () => {
      use(implementation);
      const random = seededRandom(SEED);
      for (let vocab = 1; vocab <= 26; vocab++) {
        // Row t has its target at t.
        const logits = matrix(dtype, vocab, vocab, () => 2 * normal(random));
        check(`V=${vocab}`, logits, [...Array(vocab).keys()]);
      }
    });

    it('agree across the edges of the blocks of 2048', () => {
      use(implementation);
      const random = seededRandom(SEED);
      for (const vocab of [2047, 2048, 2049, 2056, 4095, 4096, 4097]) {
        const logits = matrix(dtype, 4, vocab, () => 2 * normal(random));
        check(`V=${vocab}`, logits, [0, 2046, vocab - 1, vocab >> 1]);
      }
    });

    it('agree where the maximum grows or falls along the row', () => {
      use(implementation);
      for (const slope of [0.01, -0.01]) {
        const logits = matrix(dtype, 3, 5000, (_, v) => slope * v);
        check(`slope=${slope}`, logits, [0, 2500, 4999]);
      }
    });

    it.each([0.25, 0.7, 1.3, 8])('divide the logits by a temperature of %d', (temperature) => {
      use(implementation);
      const random = seededRandom(SEED);
      const logits = matrix(dtype, 8, 1003, () => 2 * normal(random));
      check(`T=${temperature}`, logits, [0, 1, 2, 500, 700, 1000, 1001, 1002], temperature);
    });

    it('stay finite and right at logits of +-1e4', () => {
      use(implementation);
      const random = seededRandom(SEED);
      const logits = matrix(dtype, 12, 300, () => random.pick([-1e4, 0, 9998, 1e4, 9000 + random.next()]));
      check('huge', logits, [...Array(12).keys()]);
      const apart = matrix(dtype, 2, 9, (t, v) => (v === 4 ? (t === 0 ? 1e4 : -1e4) : 0));
      check('apart', apart, [4, 4]);
    });

    it('count -inf entries as probability 0, with a finite entropy', () => {
      use(implementation);
      const random = seededRandom(SEED);
      const logits = matrix(dtype, 20, 37, () => (random.next() < 0.4 ? -Infinity : normal(random)));
      const targets = Array.from({ length: 20 }, (_, t) => rowOf(logits, t).findIndex(Number.isFinite));
      check('sparse', logits, targets);
      const lone = matrix(dtype, 3, 2000, (t, v) => (v === 700 * t ? 5 : -Infinity));
      const result = tokenLogprobsSync(
        { logits: lone.tensor, targets: ints([0, 700, 1400]) },
        { entropy: true },
      );
      expect([...result.logp.data]).toEqual([0, 0, 0]);
      expect([...result.lse.data]).toEqual([5, 5, 5]);
      expect([...result.entropy!.data]).toEqual([0, 0, 0]);
    });

    it('give -inf for a target of probability 0, with the rest of the row in order', () => {
      use(implementation);
      const logits = matrix(dtype, 1, 3, (_, v) => [0, -Infinity, 0][v]!);
      const result = tokenLogprobsSync({ logits: logits.tensor, targets: ints([1]) }, { entropy: true });
      expect(result.logp.data[0]).toBe(-Infinity);
      expectClose('lse', result.lse.data, [Math.LN2], CLOSE);
      expectClose('entropy', result.entropy!.data, [Math.LN2], CLOSE);
    });

    it('show NaN and +inf, whichever lane they are in, and only in their own row', () => {
      use(implementation);
      for (const bad of [Number.NaN, Infinity]) {
        const logits = matrix(dtype, 40, 19, (t, v) => (t < 38 && v === t % 19 ? bad : v / 7));
        const targets = Array.from({ length: 40 }, (_, t) => (t < 19 ? t : (t + 3) % 19));
        const { logp } = tokenLogprobsSync({ logits: logits.tensor, targets: ints(targets) });
        for (let t = 0; t < 40; t++) expect(Number.isNaN(logp.data[t]), `${bad} in row ${t}`).toBe(t < 38);
      }
    });

    it('leave ignored rows at 0 without reading them', () => {
      use(implementation);
      const logits = matrix(dtype, 3, 11, (t, v) => (t === 1 ? Number.NaN : v));
      for (const ignoreIndex of [-100, -1, -(2 ** 31)]) {
        const result = tokenLogprobsSync(
          { logits: logits.tensor, targets: ints([3, ignoreIndex, 4]) },
          { ignoreIndex, entropy: true },
        );
        const { logp, lse, entropy } = result;
        expect([logp.data[1], lse.data[1], entropy!.data[1]]).toEqual([0, 0, 0]);
        expect(logp.data[0]).toBeLessThan(0);
      }
    });

    it('accept a batch of no rows', () => {
      use(implementation);
      const result = tokenLogprobsSync(
        { logits: Tensor.alloc(dtype, [0, 7]), targets: ints([]) },
        { entropy: true },
      );
      expect(result.logp.size + result.lse.size + result.entropy!.size).toBe(0);
    });
  },
);
