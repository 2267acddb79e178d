import { describe, expect, it } from 'vitest';
import { type Aggregation, type AggregationOptions, sequenceScales } from '../../lib/kernels/aggregation.ts';
import { seededRandom } from '../random.ts';
import { expectClose } from './compare.ts';

const SEED = 7200;
const GLOBAL: [Aggregation, AggregationOptions][] = [
  ['seq-mean-token-mean', {}],
  ['seq-mean-token-mean', { countEmpty: true }],
  ['token-mean', {}],
  ['seq-mean-token-sum', {}],
  ['seq-mean-token-sum-norm', { fixedLength: 64 }],
  ['token-sum', {}],
];

const f32 = (values: number[]) => values.map(Math.fround);

describe('sequence scales', () => {
  it('are what their names say, empty sequences left out of the count', () => {
    const lengths = [4, 0, 10, 2];
    expect([...sequenceScales('seq-mean-token-mean', lengths).data]).toEqual(f32([1 / 12, 0, 1 / 30, 1 / 6]));
    expect([...sequenceScales('token-mean', lengths).data]).toEqual(f32([1 / 16, 0, 1 / 16, 1 / 16]));
    expect([...sequenceScales('seq-mean-token-sum', lengths).data]).toEqual(f32([1 / 3, 0, 1 / 3, 1 / 3]));
  });

  it('are what their names say: a fixed length, prompt groups, a plain sum', () => {
    const lengths = [4, 0, 10, 2];
    const fixed = sequenceScales('seq-mean-token-sum-norm', lengths, { fixedLength: 20 });
    expect([...fixed.data]).toEqual(f32([1 / 60, 0, 1 / 60, 1 / 60]));
    const groups = sequenceScales('group-token-mean', lengths, { groups: ['a', 'c', 'a', 'b'] });
    expect([...groups.data]).toEqual(f32([1 / 28, 0, 1 / 28, 1 / 4]));
    expect([...sequenceScales('token-sum', lengths).data]).toEqual([1, 0, 1, 1]);
  });

  it('count the sequences without a kept token when asked', () => {
    const lengths = [4, 0, 10, 2];
    const all = { countEmpty: true };
    const mean = sequenceScales('seq-mean-token-mean', lengths, all);
    expect([...mean.data]).toEqual(f32([1 / 16, 0, 1 / 40, 1 / 8]));
    expect([...sequenceScales('seq-mean-token-sum', lengths, all).data]).toEqual([0.25, 0, 0.25, 0.25]);
    const groups = sequenceScales('group-token-mean', lengths, { ...all, groups: [1, 3, 1, 2] });
    expect([...groups.data]).toEqual(f32([1 / 42, 0, 1 / 42, 1 / 6]));
  });

  it('are zeros for nothing at all', () => {
    for (const [aggregation, options] of [...GLOBAL, ['group-token-mean', {}] as const]) {
      expect(sequenceScales(aggregation, [], { ...options, groups: [] }).size).toBe(0);
      const empty = sequenceScales(aggregation, [0, 0], { ...options, groups: [1, 2] });
      expect([...empty.data]).toEqual([0, 0]);
    }
  });

  it.each(GLOBAL)(
    `of micro-batches with the totals of the whole add up to it: %s %j (seed ${SEED})`,
    (aggregation, options) => {
      const random = seededRandom(SEED);
      const lengths = Array.from({ length: 60 }, () => (random.next() < 0.2 ? 0 : random.int(1, 500)));
      const counted = options.countEmpty === true ? lengths : lengths.filter((n) => n > 0);
      const totals = { tokens: lengths.reduce((a, b) => a + b, 0), sequences: counted.length };
      const parts: number[] = [];
      for (let at = 0; at < lengths.length; ) {
        const size = random.int(1, 9);
        parts.push(...sequenceScales(aggregation, lengths.slice(at, at + size), { ...options, totals }).data);
        at += size;
      }
      expect(parts).toEqual([...sequenceScales(aggregation, lengths, options).data]);
    },
  );

  it('of micro-batches of whole prompt groups add up too', () => {
    const options = { totals: { tokens: 19, sequences: 4, groups: 3 } };
    const whole = sequenceScales('group-token-mean', [5, 7, 3, 4], { groups: [1, 1, 2, 3] });
    const parts = [
      ...sequenceScales('group-token-mean', [5, 7], { ...options, groups: [1, 1] }).data,
      ...sequenceScales('group-token-mean', [3, 4], { ...options, groups: [2, 3] }).data,
    ];
    expect(parts).toEqual([...whole.data]);
  });

  it(`give a constant loss of 1 per token the mean that their name says (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    const lengths = Array.from({ length: 40 }, () => random.int(0, 30));
    const groups = lengths.map(() => random.int(0, 5));
    for (const aggregation of ['seq-mean-token-mean', 'token-mean', 'group-token-mean'] as const) {
      const { data } = sequenceScales(aggregation, lengths, { groups });
      const total = data.reduce((sum, scale, i) => sum + scale * lengths[i]!, 0);
      expectClose(aggregation, [total], [1], { relative: 1e-6 });
    }
  });

  it.each([
    ['fixedLength', 'seq-mean-token-sum-norm', {}],
    ['fixedLength', 'seq-mean-token-sum-norm', { fixedLength: 0 }],
    ['groups', 'group-token-mean', {}],
    ['groups', 'group-token-mean', { groups: [1] }],
    ['totals.tokens', 'token-mean', { totals: { tokens: 2, sequences: 2 } }],
    ['totals.sequences', 'token-mean', { totals: { tokens: 9, sequences: 1 } }],
    ['totals.groups', 'group-token-mean', { groups: [1, 2], totals: { tokens: 9, sequences: 2 } }],
    ['countEmpty', 'token-mean', { countEmpty: 1 }],
    ['options.length', 'token-mean', { length: 3 }],
  ] as const)('refuse %s for %s with %j', (argument, aggregation, options) => {
    expect(() => sequenceScales(aggregation, [1, 2], options as unknown as AggregationOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }),
    );
  });

  it('refuse a name they do not know', () => {
    expect(() => sequenceScales('mean' as Aggregation, [1])).toThrow(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'aggregation' }),
    );
    expect(() => sequenceScales('mean' as Aggregation, [])).toThrow(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'aggregation' }),
    );
  });

  it.each([[[-1]], [[1.5]], [[Number.NaN]], [[Infinity]]])(
    'refuse lengths that count nothing: %j',
    (lengths) => {
      expect(() => sequenceScales('token-mean', lengths)).toThrow(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'lengths' }),
      );
    },
  );
});
