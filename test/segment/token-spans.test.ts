import { describe, expect, it } from 'vitest';
import type { Rollout } from '../../lib/data/records.ts';
import { Step } from '../../lib/data/records.ts';
import { RuleSegmenter } from '../../lib/segment/rule-segmenter.ts';
import { segmentRollouts } from '../../lib/segment/segment-rollouts.ts';
import { tokenSpans } from '../../lib/segment/token-spans.ts';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';
import { PieceTokenizer } from '../../lib/tokenizer/piece-tokenizer.ts';
import type { Tokenizer } from '../../lib/tokenizer/tokenizer.ts';
import { type Random, seededRandom } from '../random.ts';
import { randomText } from './random-text.ts';

/** A tokenizer of arbitrary byte pieces, so that a token can hold half a character. */
function byteChunks(chunks: Uint8Array[]): Tokenizer {
  const unused = (): never => {
    throw new Error('not used');
  };
  return {
    id: 'chunks',
    vocabSize: chunks.length,
    eosId: 0,
    bytesOf: (id) => chunks[id]!,
    encode: unused,
    decode: unused,
  };
}

function chunked(text: string, sizes: number[]): { tokenizer: Tokenizer; ids: number[] } {
  const bytes = new TextEncoder().encode(text);
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const size of sizes) {
    chunks.push(bytes.slice(at, at + size));
    at += size;
  }
  if (at < bytes.length) chunks.push(bytes.slice(at));
  return { tokenizer: byteChunks(chunks), ids: chunks.map((_, id) => id) };
}

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
    const { tokenizer, ids } = chunked(text, [2, 1, 1, 1, 1, 1]);
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

function randomChunks(random: Random, length: number): number[] {
  const sizes: number[] = [];
  for (let left = length; left > 0; left -= sizes.at(-1)!) sizes.push(Math.min(left, random.int(0, 7)));
  return sizes;
}

describe('on random text', () => {
  it('gives every token exactly one step, in order, by the rule', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const text = randomText(random, 25, true).replace(/\p{Surrogate}/gu, '');
      const spans = new RuleSegmenter({
        unit: random.pick(['sentence', 'line'] as const),
        minChars: 1,
        maxChars: 80,
      }).segment(text);
      const { tokenizer, ids } = chunked(text, randomChunks(random, Buffer.byteLength(text)));
      const tokens = tokenSpans(text, spans, ids, tokenizer);
      if (text === '') continue;
      expect(tokens.length, `seed ${seed}`).toBe(spans.length);
      let at = 0;
      for (const { start, end } of tokens) {
        expect(start, `seed ${seed}`).toBe(at);
        expect(end, `seed ${seed}`).toBeGreaterThanOrEqual(start);
        at = end;
      }
      expect(at, `seed ${seed}`).toBe(ids.length);
    }
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
