import { describe, expect, it } from 'vitest';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';
import { PieceTokenizer } from '../../lib/tokenizer/piece-tokenizer.ts';
import { seededRandom } from '../random.ts';

describe('ByteTokenizer', () => {
  const tokenizer = new ByteTokenizer();

  it('encodes UTF-8 bytes and decodes them back, a byte order mark and NUL included', () => {
    for (const text of ['', 'a', 'é', '日本', '👩‍👩‍👧', '\uFEFFx', 'a\0b', 'שלום\r\n']) {
      const ids = tokenizer.encode(text);
      expect(ids).toEqual([...Buffer.from(text, 'utf8')]);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it('round-trips random code points', () => {
    const random = seededRandom(11);
    for (let round = 0; round < 200; round++) {
      const points = Array.from({ length: random.int(0, 30) }, () => random.int(0, 0x10ffff));
      const text = String.fromCodePoint(...points.filter((point) => point < 0xd800 || point > 0xdfff));
      expect(tokenizer.decode(tokenizer.encode(text)), `seed ${random.seed}, round ${round}`).toBe(text);
    }
  });

  it('refuses a lone surrogate and says where', () => {
    for (const [text, at] of [
      ['ab\ud800', 2],
      ['\udc00a', 0],
      ['😀\ud83dx', 2],
    ] as const) {
      expect(() => tokenizer.encode(text)).toThrowError(
        expect.objectContaining({
          code: 'ERR_LAPIDARY_DATA',
          message: expect.stringContaining(`character ${at}`),
        }),
      );
    }
  });

  it('gives special ids no bytes, and refuses ids outside the vocabulary', () => {
    expect(tokenizer.vocabSize).toBe(258);
    expect(tokenizer.bytesOf(256)).toHaveLength(0);
    expect(tokenizer.bytesOf(tokenizer.eosId)).toHaveLength(0);
    expect(tokenizer.decode([97, 257])).toBe('a');
    for (const id of [258, -1, 1.5, Number.NaN]) {
      expect(() => tokenizer.bytesOf(id)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }),
      );
    }
  });

  it('does not let a caller write into the vocabulary', () => {
    tokenizer.bytesOf(65)[0] = 0;
    expect(tokenizer.decode([65])).toBe('A');
  });
});

describe('PieceTokenizer', () => {
  const tokenizer = new PieceTokenizer('toy', ['', 'a', 'ab', 'abc', 'é', ' ', '1'], 0);

  it('takes the longest match', () => {
    expect(tokenizer.encode('abcab a1é')).toEqual([3, 2, 5, 1, 6, 4]);
    expect(tokenizer.decode([3, 2, 5, 1, 6, 4, 0])).toBe('abcab a1é');
    expect(tokenizer.bytesOf(4)).toEqual(Uint8Array.of(0xc3, 0xa9));
  });

  it('names the position where nothing matches', () => {
    expect(() => tokenizer.encode('ab?')).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_DATA', message: expect.stringContaining('character 2') }),
    );
  });

  it('refuses a vocabulary that cannot work', () => {
    const argument = expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' });
    expect(() => new PieceTokenizer('x', ['a', ''], 0)).toThrowError(argument);
    expect(() => new PieceTokenizer('x', ['a', ''], 7)).toThrowError(argument);
    expect(() => new PieceTokenizer('x', ['a', 'a', ''], 2)).toThrowError(argument);
    expect(() => new PieceTokenizer('', [''], 0)).toThrowError(argument);
    expect(() => tokenizer.bytesOf(99)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }));
  });
});
