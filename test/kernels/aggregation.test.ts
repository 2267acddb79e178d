import { describe, expect, it } from 'vitest';
import { type Aggregation, sequenceScales } from '../../lib/kernels/aggregation.ts';

const f32 = (values: number[]) => values.map(Math.fround);

describe('sequence scales', () => {
  it('are what losses.md names them, empty sequences left out of the count', () => {
    const lengths = [4, 0, 10, 2];
    expect([...sequenceScales('seq-mean-token-mean', lengths).data]).toEqual(f32([1 / 12, 0, 1 / 30, 1 / 6]));
    expect([...sequenceScales('token-mean', lengths).data]).toEqual(f32([1 / 16, 0, 1 / 16, 1 / 16]));
    expect([...sequenceScales('seq-mean-token-sum', lengths).data]).toEqual(f32([1 / 3, 0, 1 / 3, 1 / 3]));
  });

  it('are zeros for nothing at all', () => {
    for (const aggregation of ['seq-mean-token-mean', 'token-mean', 'seq-mean-token-sum'] as const) {
      expect(sequenceScales(aggregation, []).size).toBe(0);
      expect([...sequenceScales(aggregation, [0, 0]).data]).toEqual([0, 0]);
    }
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
