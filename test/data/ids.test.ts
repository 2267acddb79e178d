import { describe, expect, it } from 'vitest';
import { canonicalJson, contentId } from '../../lib/data/ids.ts';
import { seededRandom } from '../random.ts';

describe('contentId', () => {
  it('is the SHA-256 of canonical JSON', () => {
    expect(canonicalJson({ b: [1, 'é', null], a: { d: true, c: -0 } })).toBe(
      '{"a":{"c":0,"d":true},"b":[1,"é",null]}',
    );
    expect(contentId({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
  });

  it('does not hang on the order of keys or on keys that hold undefined', () => {
    const random = seededRandom(1);
    for (let round = 0; round < 50; round++) {
      const entries = Array.from({ length: 6 }, (_, i) => [`k${i}`, random.int(0, 9)] as const);
      const shuffled = entries.toSorted(() => random.next() - 0.5);
      const id = contentId(Object.fromEntries(entries));
      expect(contentId(Object.fromEntries(shuffled))).toBe(id);
      expect(contentId({ ...Object.fromEntries(shuffled), extra: undefined })).toBe(id);
      expect(contentId({ ...Object.fromEntries(entries), k0: 10 })).not.toBe(id);
    }
  });

  it('refuses what JSON would turn into null', () => {
    for (const value of [Number.NaN, [Number.POSITIVE_INFINITY], { a: 1n }, { f: () => 1 }, undefined]) {
      expect(() => contentId(value)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }));
    }
  });
});
