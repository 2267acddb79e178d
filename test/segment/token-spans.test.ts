import { describe, expect, it } from 'vitest';
import type { Rollout } from '../../lib/data/records.ts';
import { Step } from '../../lib/data/records.ts';
import { RuleSegmenter } from '../../lib/segment/rule-segmenter.ts';
import { segmentRollouts } from '../../lib/segment/segment-rollouts.ts';
import { tokenSpans } from '../../lib/segment/token-spans.ts';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';
import { decodeWithMap } from '../../lib/tokenizer/decode-map.ts';
import { PieceTokenizer } from '../../lib/tokenizer/piece-tokenizer.ts';
import { seededRandom } from '../random.ts';
import { byteChunks } from './byte-chunks.ts';

/** Cuts "ab|cd" at the bars. */
function marked(text: string): { text: string; spans: { start: number; end: number }[] } {
  let at = 0;
  const spans = text.split('|').map((part) => {
    const span = { start: at, end: at + part.length };
    at = span.end;
    return span;
  });
  return { text: text.replaceAll('|', ''), spans };
}

function pieces(source: string, tokens: string[]): string {
  const { text, spans } = marked(source);
  const vocabulary = ['', ...new Set(tokens.filter((token) => token !== ''))];
  const tokenizer = new PieceTokenizer('t', vocabulary, 0);
  const ids = tokens.map((token) => vocabulary.indexOf(token));
  return tokenSpans(text, spans, ids, tokenizer)
    .map(({ start, end }) => tokens.slice(start, end).join('·'))
    .join('|');
}

describe('the step of a token', () => {
  it('is the one of its first visible character', () => {
    expect(pieces('One. |First', ['One', '.', ' First'])).toBe('One·.| First');
    expect(pieces('One.\n\n|Wait', ['One', '.\n\n', 'Wait'])).toBe('One·.\n\n|Wait');
    expect(pieces('One.\n\n|Wait', ['One', '.\n\nWa', 'it'])).toBe('One·.\n\nWa|it');
  });

  it('is the one on the left for whitespace and for special tokens', () => {
    expect(pieces('a| |b', ['a', ' ', 'b'])).toBe('a· ||b');
    expect(pieces('a |b', ['', 'a', ' ', '', 'b', ''])).toBe('·a· ·|b·');
    expect(pieces(' \n|a', [' ', '\n', 'a'])).toBe(' ·\n|a');
  });

  it('can leave a step without tokens', () => {
    expect(pieces('a|b|c', ['ab', 'c'])).toBe('ab||c');
    expect(pieces('a|b|c', ['abc'])).toBe('abc||');
  });

  it('follows the character of which a token holds a part', () => {
    const text = 'a😀é';
    const { tokenizer, ids } = byteChunks(text, [2, 1, 1, 1, 1, 1]);
    const spans = [
      { start: 0, end: 1 },
      { start: 1, end: 3 },
      { start: 3, end: 4 },
    ];
    expect(tokenSpans(text, spans, ids, tokenizer)).toEqual([
      { start: 0, end: 1 },
      { start: 1, end: 4 },
      { start: 4, end: 6 },
    ]);
  });
});

describe('a response that was cut off inside a character', () => {
  const tokenizer = new ByteTokenizer();

  it('keeps its tokens, whose bytes the text shows as U+FFFD', () => {
    const ids = [...Buffer.from('One. 🎉')].slice(0, -1);
    const text = tokenizer.decode(ids);
    expect(text).toBe('One. \uFFFD');
    const spans = [
      { start: 0, end: 5 },
      { start: 5, end: 6 },
    ];
    expect(tokenSpans(text, spans, ids, tokenizer)).toEqual([
      { start: 0, end: 5 },
      { start: 5, end: 8 },
    ]);
    // The character itself may stand in a text as well.
    const both = [...Buffer.from('\uFFFDa'), 0xe2, 0x82];
    expect(
      tokenSpans(
        tokenizer.decode(both),
        [
          { start: 0, end: 1 },
          { start: 1, end: 3 },
        ],
        both,
        tokenizer,
      ),
    ).toEqual([
      { start: 0, end: 3 },
      { start: 3, end: 6 },
    ]);
    expect(() => tokenSpans('One. \uFFFD!', [{ start: 0, end: 7 }], ids, tokenizer)).toThrowError(
      /at byte 5 /,
    );
  });

  it('is mapped byte by byte as the decoder decodes', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const random = seededRandom(seed);
      const bytes = Uint8Array.from({ length: random.int(0, 12) }, () =>
        random.pick([
          0x41, 0x80, 0xbf, 0xc2, 0xc0, 0xe0, 0xa0, 0xed, 0x9f, 0xef, 0xf0, 0x90, 0xf4, 0x8f, 0xf5, 0xff,
        ]),
      );
      const { text, characters } = decodeWithMap(bytes);
      // Decoding ever longer prefixes shows where each character is complete.
      const label = `seed ${seed}: ${[...bytes].map((byte) => byte.toString(16))}`;
      for (let at = 0; at < bytes.length; at++) {
        const before = new TextDecoder().decode(bytes.subarray(0, at));
        const start = at === 0 || characters[at] !== characters[at - 1];
        if (start) expect(characters[at], label).toBe(before.length);
      }
      const lastUnits = bytes.length === 0 ? 0 : text.length - characters.at(-1)!;
      expect(lastUnits, label).toBeLessThanOrEqual(2);
      expect(bytes.length === 0 || lastUnits >= 1, label).toBe(true);
    }
  });
});

describe('refusals', () => {
  const tokenizer = new ByteTokenizer();
  const spans = [{ start: 0, end: 3 }];

  it('says at which byte the ids leave the text', () => {
    for (const [ids, at] of [
      [[97, 98, 120], 2],
      [[97, 98], 2],
      [[97, 98, 99, 100], 3],
      [[], 0],
    ] as const) {
      expect(() => tokenSpans('abc', spans, ids, tokenizer)).toThrowError(
        expect.objectContaining({
          code: 'ERR_LAPIDARY_DATA',
          message: expect.stringContaining(`byte ${at} `),
        }),
      );
    }
  });

  it('refuses a text that no ids can spell', () => {
    expect(() => tokenSpans('\ud800', [{ start: 0, end: 1 }], [0xef, 0xbf, 0xbd], tokenizer)).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_DATA' }),
    );
  });

  it('refuses spans that do not cover the text', () => {
    for (const bad of [
      [],
      [{ start: 0, end: 2 }],
      [{ start: 1, end: 3 }],
      [
        { start: 0, end: 0 },
        { start: 0, end: 3 },
      ],
    ]) {
      expect(() => tokenSpans('abc', bad, [97, 98, 99], tokenizer)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'spans' }),
      );
    }
  });

  it('has no step for the tokens of an empty text', () => {
    expect(tokenSpans('', [], [257], tokenizer)).toEqual([]);
  });
});

describe('segmentRollouts', () => {
  const rollout: Rollout = {
    rollout_id: 'r1',
    prompt_id: 'p1',
    iteration: 0,
    group_id: 'g',
    group_index: 0,
    sampler: { engine: 'e', model: 'm' },
    response_text: 'ab\ncd',
    response_ids: [97, 98, 10, 99, 100, 257],
  };
  const segmenter = new RuleSegmenter({ unit: 'line', minChars: 1 });

  it('gives one record per step, the end-of-text token to the last', () => {
    const steps = segmentRollouts([rollout], segmenter, new ByteTokenizer());
    expect(steps.map((step) => Step.parse(step))).toEqual(steps);
    expect(
      steps.map(({ k, char_start, char_end, token_start, token_end }) => [
        k,
        char_start,
        char_end,
        token_start,
        token_end,
      ]),
    ).toEqual([
      [0, 0, 3, 0, 3],
      [1, 3, 5, 3, 6],
    ]);
    expect(steps[0]).toMatchObject({
      segmenter_id: segmenter.id,
      rollout_id: 'r1',
      text_sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
  });

  it('has null token spans without ids or without a tokenizer', () => {
    const withoutIds = { ...rollout, response_ids: null };
    for (const steps of [
      segmentRollouts([rollout], segmenter, null),
      segmentRollouts([withoutIds], segmenter, new ByteTokenizer()),
    ]) {
      expect(steps.every((step) => step.token_start === null && step.token_end === null)).toBe(true);
    }
  });

  it('names the rollout whose ids do not fit its text', () => {
    expect(() =>
      segmentRollouts([{ ...rollout, response_ids: [1] }], segmenter, new ByteTokenizer()),
    ).toThrowError(/rollout r1.*byte 0/);
  });
});
