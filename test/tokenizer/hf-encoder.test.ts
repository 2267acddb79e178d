import { afterAll, describe, expect, it } from 'vitest';
import { loadHfEncoder, type TokenizersModule, toUtf16 } from '../../lib/tokenizer/hf-encoder.ts';
import { tokenizerSha256 } from '../../lib/tokenizer/hf-tokenizer.ts';
import { seededRandom } from '../random.ts';
import { byteLevelFile, temporaryFolder } from './hf-files.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

describe('toUtf16', () => {
  it('turns code points into UTF-16 units', () => {
    const offsets = [
      [0, 1],
      [1, 2],
      [2, 4],
    ];
    expect(toUtf16('a🎉bc', offsets)).toEqual([
      [0, 1],
      [1, 3],
      [3, 5],
    ]);
    // A lone surrogate is one code point, whichever half it is.
    expect(toUtf16('\ud83da\ude00🎉', [[0, 4]])).toEqual([[0, 5]]);
    expect(toUtf16('', [[0, 0]])).toEqual([[0, 0]]);
  });

  it('gives the same slices as an array of code points', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const characters = Array.from({ length: random.int(0, 30) }, () =>
        random.pick(['a', 'é', '日', '🎉', '👩‍👩‍👧', '\u0301', '\n']),
      );
      const text = characters.join('');
      const points = Array.from(text);
      const offsets: number[][] = [];
      for (let at = 0; at < points.length; at = offsets.at(-1)![1]!) {
        offsets.push([at, Math.min(points.length, at + random.int(1, 4))]);
      }
      const slices = toUtf16(text, offsets).map(([start, end]) => text.slice(start, end));
      expect(slices, `seed ${seed}`).toEqual(
        offsets.map(([start, end]) => points.slice(start, end).join('')),
      );
    }
  });

  it('refuses pairs out of range, reversed, or before the one before', () => {
    for (const offsets of [
      [[0, 3]],
      [[-1, 1]],
      [[2, 1]],
      [
        [1, 2],
        [0, 2],
      ],
      [
        [0, 2],
        [1, 1],
      ],
      [[0, Number.NaN]],
    ]) {
      expect(() => toUtf16('a🎉', offsets), JSON.stringify(offsets)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_DATA', argument: 'offsets' }),
      );
    }
    // Several tokens of one normalised character, and a token without a place.
    expect(
      toUtf16('…a', [
        [0, 1],
        [0, 1],
        [0, 0],
        [1, 2],
      ]),
    ).toHaveLength(4);
  });
});

describe('loadHfEncoder', () => {
  const path = folder.write('tokenizer.json', byteLevelFile());
  const module = (encode: () => Promise<unknown>): TokenizersModule =>
    ({ Tokenizer: { fromFile: () => ({ encode, tokenToId: () => 7 }) } }) as unknown as TokenizersModule;

  it('encodes without special tokens and gives offsets in UTF-16 units', async () => {
    const seen: unknown[] = [];
    const encode = async (...given: unknown[]) => {
      seen.push(given);
      return {
        getIds: () => [4, 5],
        getOffsets: () => [
          [0, 1],
          [1, 2],
        ],
      };
    };
    const encoder = await loadHfEncoder(path, module(encode as never));
    expect(await encoder.encode('🎉a')).toEqual({
      ids: [4, 5],
      offsets: [
        [0, 2],
        [2, 3],
      ],
    });
    expect(seen).toEqual([['🎉a', null, { addSpecialTokens: false }]]);
    expect(encoder.id).toBe(`hf:${tokenizerSha256(path).slice(0, 16)}`);
    expect(encoder.tokenToId('<s>')).toBe(7);
  });

  it('names a file that the package cannot read, and the package where it is missing', async () => {
    const broken = {
      Tokenizer: {
        fromFile: () => {
          throw new Error('bad file');
        },
      },
    };
    await expect(loadHfEncoder(path, broken as unknown as TokenizersModule)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_IO',
      message: expect.stringContaining(path),
    });
    await expect(loadHfEncoder(path)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
      argument: 'tokenizers',
    });
  });
});
