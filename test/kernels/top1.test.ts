import { describe, expect, it } from 'vitest';
import { linearLogprobsSync } from '../../lib/kernels/linear-logprobs.ts';
import { tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { ints, type Matrix, matrix, normal, rowOf } from './batches.ts';
import { use, VARIANTS } from './compare.ts';

const SEED = 77;

function firstMaximum(row: Float64Array): number {
  return row.indexOf(Math.max(...row));
}

function top1(logits: Matrix, targets: number[], options = {}): number[] {
  return [
    ...tokenLogprobsSync({ logits: logits.tensor, targets: ints(targets) }, { top1: true, ...options }).top1!
      .data,
  ];
}

describe.each(VARIANTS)(
  `the most probable entry, $implementation $dtype (seed ${SEED})`,
  ({ implementation, dtype }) => {
    it.each([1, 2, 9, 2048, 2049, 5000])('is found at V = %i, the target among the candidates', (vocab) => {
      use(implementation);
      const random = seededRandom(SEED + vocab);
      const rows = 12;
      const logits = matrix(dtype, rows, vocab, () => normal(random));
      const expected = Array.from({ length: rows }, (_, t) => firstMaximum(rowOf(logits, t)));
      const anywhere = expected.map(() => random.int(0, vocab - 1));
      expect(top1(logits, anywhere)).toEqual(expected);
      expect(top1(logits, expected)).toEqual(expected);
      expect(top1(logits, anywhere, { softcap: 5, temperature: 0.5 })).toEqual(expected);
    });

    it('is the lowest index among equals', () => {
      use(implementation);
      const rows = [
        [5, 5, 1],
        [1, 5, 5],
        [5, 1, 5],
      ];
      const logits = matrix(dtype, 3, 3, (t, v) => rows[t]![v]!);
      for (const target of [0, 1, 2]) expect(top1(logits, [target, target, target])).toEqual([0, 1, 0]);
      const far = matrix(dtype, 1, 9000, (_, v) => (v === 2500 || v === 8000 ? 3 : 0));
      for (const target of [0, 2500, 8000]) expect(top1(far, [target])).toEqual([2500]);
    });

    it('is -1 where the row is ignored or a NaN leaves none', () => {
      use(implementation);
      const logits = matrix(dtype, 3, 10, (t, v) => (t === 1 && v === 4 ? Number.NaN : v));
      expect(top1(logits, [-100, 2, 2])).toEqual([-1, -1, 9]);
    });

    it('is right among -inf', () => {
      use(implementation);
      const logits = matrix(dtype, 2, 4000, (_, v) => (v === 3100 ? 0 : -Infinity));
      expect(top1(logits, [3100, 5])).toEqual([3100, 3100]);
    });

    it('comes out of the linear head too', () => {
      use(implementation);
      const random = seededRandom(SEED);
      const vocab = 1100;
      const logits = matrix(dtype, 6, vocab, () => random.int(-40, 40) / 8); // many ties
      const weight = matrix(dtype, vocab, vocab, (v, h) => (v === h ? 1 : 0));
      const targets = [-100, 0, vocab - 1, 600, 5, 1099];
      const head = { hidden: logits.tensor, weight: weight.tensor, targets: ints(targets) };
      const { top1: found } = linearLogprobsSync(head, { top1: true });
      const expected = targets.map((target, t) => (target < 0 ? -1 : firstMaximum(rowOf(logits, t))));
      expect([...found!.data]).toEqual(expected);
    });
  },
);
