import { describe, expect, it } from 'vitest';
import type { Rollout, Step } from '../../lib/data/records.ts';
import { LapidaryError } from '../../lib/errors.ts';
import { candidatesOf } from '../../lib/segment/sat-candidates.ts';
import type { SatModel } from '../../lib/segment/sat-model.ts';
import {
  openSatSegmenter,
  SAT_THRESHOLDS,
  SatSegmenter,
  type SatSegmenterOptions,
} from '../../lib/segment/sat-segmenter.ts';
import { segmentRolloutsAsync } from '../../lib/segment/segment-rollouts.ts';
import { ByteTokenizer } from '../../lib/tokenizer/byte-tokenizer.ts';
import type { OffsetEncoder, TextEncoding } from '../../lib/tokenizer/hf-encoder.ts';
import { FakeEncoder, FakeModel } from './fake-sat.ts';

const logit = (probability: number): number => Math.log(probability / (1 - probability));

/** Words are tokens; the model finds the given probability after the words that are listed, and 0.001 after others. */
function wordModel(probabilities: Record<string, number>): { model: SatModel; encoder: OffsetEncoder } {
  const words = Object.keys(probabilities);
  const encode = async (text: string): Promise<TextEncoding> => {
    const matches = [...text.matchAll(/\S+/g)];
    return {
      ids: matches.map(([word]) => 10 + words.indexOf(word)),
      offsets: matches.map(({ 0: word, index }) => [index, index + word.length] as const),
    };
  };
  const model: SatModel = {
    id: 'words',
    boundaryLogits: async (ids) =>
      Float32Array.from(ids, (id) => logit(probabilities[words[Number(id) - 10] ?? ''] ?? 0.001)),
  };
  return { model, encoder: { id: 'words', tokenToId: (t) => (t === '<s>' ? 0 : 2), encode } };
}

async function steps(
  text: string,
  probabilities: Record<string, number>,
  options: SatSegmenterOptions = {},
): Promise<string[]> {
  const segmenter = new SatSegmenter(wordModel(probabilities), { minChars: 1, ...options });
  const [spans] = await segmenter.segmentMany([{ text }]);
  return spans!.map(({ start, end }) => text.slice(start, end));
}

describe('candidatesOf', () => {
  const at = (text: string, offsets: [number, number][], logits: number[]) =>
    candidatesOf(text, { ids: offsets.map(() => 1), offsets }, Float64Array.from(logits));

  it('puts the logit of a token at its last character, and whitespace on the left', () => {
    expect(
      at(
        'ab \n cd e',
        [
          [0, 2],
          [5, 7],
          [8, 9],
        ],
        [0, logit(0.9), 5],
      ),
    ).toEqual([
      { at: 5, probability: 0.5 },
      { at: 8, probability: expect.closeTo(0.9, 12) },
    ]);
  });

  it('takes no token without a place in the text', () => {
    expect(
      at(
        'ab cd',
        [
          [0, 0],
          [0, 2],
          [2, 2],
          [3, 5],
        ],
        [9, 0, 9, 0],
      ),
    ).toEqual([{ at: 3, probability: 0.5 }]);
  });

  it('takes the later of two tokens with the same end, and the likelier of two whose cuts meet', () => {
    expect(
      at(
        'ab cd',
        [
          [0, 2],
          [0, 2],
          [3, 5],
        ],
        [9, 0, 0],
      ),
    ).toEqual([{ at: 3, probability: 0.5 }]);
    expect(
      at(
        'ab  cd',
        [
          [0, 2],
          [2, 3],
          [4, 6],
        ],
        [0, -9, 0],
      ),
    ).toEqual([{ at: 4, probability: 0.5 }]);
  });

  it('refuses offsets that are out of range or go back', () => {
    for (const offsets of [
      [[0, 9]],
      [[3, 1]],
      [
        [2, 4],
        [0, 3],
      ],
    ] as [number, number][][]) {
      expect(() =>
        at(
          'abcd',
          offsets,
          offsets.map(() => 0),
        ),
      ).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_DATA', argument: 'offsets' }));
    }
    expect(() => candidatesOf('ab', { ids: [1, 2], offsets: [[0, 1]] }, Float64Array.of(0, 0))).toThrowError(
      /1 for 2 tokens/,
    );
  });
});

describe('SatSegmenter', () => {
  it('cuts where the probability is above the threshold of the kind', async () => {
    const text = 'one A two B three C four';
    const probabilities = { A: 0.02, B: 0.1, C: 0.4 };
    expect(await steps(text, probabilities, { kind: 'no-limited-lookahead' })).toHaveLength(4);
    expect(await steps(text, probabilities)).toEqual(['one A two B ', 'three C ', 'four']);
    expect(await steps(text, probabilities, { kind: 'sm' })).toEqual(['one A two B three C ', 'four']);
    expect(await steps(text, probabilities, { kind: 'lora' })).toEqual([text]);
    expect(await steps(text, probabilities, { threshold: 0.05, kind: 'lora' })).toHaveLength(3);
    expect(SAT_THRESHOLDS.paragraph).toBe(0.5);
  });

  it('lets blank lines, all line breaks or none count as boundaries', async () => {
    const text = 'one two\nthree\n\nfour';
    expect(await steps(text, {}, { newlines: 'ignore' })).toEqual([text]);
    expect(await steps(text, {})).toEqual(['one two\nthree\n\n', 'four']);
    expect(await steps(text, {}, { newlines: 'lines' })).toEqual(['one two\n', 'three\n\n', 'four']);
  });

  it('does not show empty and blank texts to the model', async () => {
    const model = new FakeModel();
    const segmenter = new SatSegmenter({ model, encoder: new FakeEncoder() });
    const spans = await segmenter.segmentMany([{ text: '' }, { text: ' \n\n ' }]);
    expect(spans).toEqual([[], [{ start: 0, end: 4 }]]);
    expect(model.calls).toEqual([]);
  });

  it('keeps zones and atomic regions, and joins and splits as the rules do', async () => {
    const sure = { 'a.': 0.99, A: 0.99, B: 0.99 };
    expect(await steps('<think>x a. y</think> z A w', sure)).toEqual([
      '<think>x a. ',
      'y</think> ',
      'z A ',
      'w',
    ]);
    expect(await steps('So $x a. y$ is A $$ p A q $$ B end', sure)).toEqual([
      'So $x a. y$ is A ',
      '$$ p A q $$ B ',
      'end',
    ]);
    expect(await steps('x A y B z', sure, { minChars: 5 })).toEqual(['x A y B z']);
    const long = 'One two three. Four five six. Seven eight nine';
    expect(await steps(long, {}, { maxChars: 32 })).toEqual([
      'One two three. Four five six. ',
      'Seven eight nine',
    ]);
  });

  it('does not follow the model into a number, a URL or an ellipsis, or after a label', async () => {
    for (const text of [
      'It is 3.14 in all',
      'Take 1,000 of them',
      'Read https://a.b/c?D=1.E or not',
      'Read www.x.org now',
      'Use a rule, e.g. Ptolemy here',
      '1. First item',
      'Well... then',
    ]) {
      const model: SatModel = {
        id: 'every',
        boundaryLogits: async (_, batch, length) => new Float32Array(batch * length).fill(9),
      };
      const encoder: OffsetEncoder = {
        id: 'characters',
        tokenToId: () => 0,
        encode: async (given) => ({
          ids: Array.from(given, () => 1),
          offsets: Array.from(given, (_, i) => [i, i + 1] as const),
        }),
      };
      const [spans] = await new SatSegmenter({ model, encoder }, { minChars: 1 }).segmentMany([{ text }]);
      const cuts = spans!.slice(1).map(({ start }) => start);
      const protectedPart =
        /3\.14|1,000|https:\S+|www\S+|e\.g\. P|1\. F|\.\.\./.exec(text) ?? expect.fail(text);
      const inside = cuts.filter(
        (at) => at > protectedPart.index && at < protectedPart.index + protectedPart[0].length,
      );
      // Between "e" and ".g" there is no dot to mistake.
      expect(
        inside.map((at) => text.slice(at - 1, at + 1)).filter((pair) => /[. ]/.test(pair)),
        text,
      ).toEqual([]);
    }
  });

  it('chooses by lengths with viterbi and greedy, ignoring the threshold', async () => {
    const text = 'aaa A bbb B ccc C ddd D eee';
    const probabilities = { A: 0.3, B: 0.6, C: 0.2, D: 0.9 };
    const options = { maxChars: 13, threshold: 1 } as const;
    // Two cuts must be made, and of all pairs that fit B and D are the likeliest.
    expect(await steps(text, probabilities, { ...options, mode: 'viterbi' })).toEqual([
      'aaa A bbb B ',
      'ccc C ddd D ',
      'eee',
    ]);
    const prior = { kind: 'gaussian', target: 6, spread: 1 } as const;
    // A last piece of 9 is as far from 6 as one of 3, and saves the price of a cut.
    expect(await steps(text, probabilities, { ...options, mode: 'viterbi', prior })).toEqual([
      'aaa A ',
      'bbb B ',
      'ccc C ',
      'ddd D eee',
    ]);
    expect(await steps(text, probabilities, { ...options, mode: 'greedy' })).toEqual([
      'aaa A bbb B ',
      'ccc C ddd D ',
      'eee',
    ]);
  });

  it('names model, tokenizer and options, but not the batch size, in its id', () => {
    const id = (options: SatSegmenterOptions = {}, model = 'm', encoder = 'e'): string =>
      new SatSegmenter({ model: new FakeModel(model), encoder: new FakeEncoder(encoder) }, options).id;
    expect(id()).toMatch(/^sat-v1:[0-9a-f]{12}$/);
    expect(id({ batchSize: 4 })).toBe(id());
    const others = [
      id({}, 'm2'),
      id({}, 'm', 'e2'),
      ...[
        { stride: 65 },
        { blockSize: 256 },
        { weighting: 'hat' },
        { threshold: 0.3 },
        { mode: 'greedy' },
      ].map((options) => id(options as SatSegmenterOptions)),
      ...[{ newlines: 'lines' }, { minChars: 3 }, { maxTokens: 9 }].map((o) => id(o as SatSegmenterOptions)),
      id({ prior: { kind: 'gaussian', target: 5, spread: 2 } }),
    ];
    expect(new Set([id(), ...others]).size).toBe(others.length + 1);
  });

  it('names the option at fault', () => {
    const parts = { model: new FakeModel(), encoder: new FakeEncoder() };
    for (const [options, argument] of [
      [{ blockSize: 513 }, 'blockSize'],
      [{ blockSize: 2 }, 'blockSize'],
      [{ stride: 511 }, 'stride'],
      [{ stride: 0 }, 'stride'],
      [{ batchSize: 0 }, 'batchSize'],
      [{ weighting: 'round' }, 'weighting'],
      [{ mode: 'best' }, 'mode'],
      [{ kind: 'paragraph' }, 'kind'],
      [{ newlines: 'all' }, 'newlines'],
      [{ threshold: 2 }, 'threshold'],
      [{ prior: { kind: 'gaussian', target: -1, spread: 1 } }, 'prior.target'],
      [{ maxChars: 1 }, 'maxChars'],
    ] as const) {
      expect(() => new SatSegmenter(parts, options as unknown as SatSegmenterOptions), argument).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }),
      );
    }
  });

  it('asks for the kind where no name tells it', async () => {
    const files = { model: '/models/mine.onnx', tokenizer: '/models/tokenizer.json' };
    await expect(openSatSegmenter(files)).rejects.toMatchObject({ argument: 'kind' });
    for (const model of [
      '/models/sat-3l-sm',
      '/models/sat-12l/model.onnx',
      '/models/sat-1l-no-limited-lookahead',
    ]) {
      // The name tells; then the missing package is what stops it.
      await expect(openSatSegmenter({ ...files, model })).rejects.toMatchObject({ argument: 'tokenizers' });
    }
  });
});

describe('segmentRolloutsAsync', () => {
  const rollout = (id: string, text: string): Rollout => ({
    rollout_id: id,
    prompt_id: 'p',
    iteration: 0,
    group_id: 'g',
    group_index: 0,
    sampler: { engine: 'e', model: 'm' },
    response_text: text,
    response_ids: [...new TextEncoder().encode(text)],
  });
  const rollouts = [rollout('r1', 'one A two'), rollout('r2', ''), rollout('r3', 'three A four A five')];
  const segmenter = new SatSegmenter(wordModel({ A: 0.9 }), { minChars: 1 });

  it('yields the steps of each rollout in order, the same however many go at once', async () => {
    const byGroup: Step[][][] = [];
    for (const responsesAtOnce of [1, 2, 64]) {
      const found = [];
      for await (const each of segmentRolloutsAsync(rollouts, segmenter, new ByteTokenizer(), {
        responsesAtOnce,
      })) {
        found.push(each);
      }
      expect(found.map(({ rolloutId }) => rolloutId)).toEqual(['r1', 'r2', 'r3']);
      byGroup.push(found.map(({ steps }) => steps));
    }
    expect(byGroup[1]).toEqual(byGroup[0]);
    expect(byGroup[2]).toEqual(byGroup[0]);
    expect(
      byGroup[0]!.map((each) => each.map((s) => [s.char_start, s.char_end, s.token_start, s.token_end])),
    ).toEqual([
      [
        [0, 6, 0, 6],
        [6, 9, 6, 9],
      ],
      [],
      [
        [0, 8, 0, 8],
        [8, 15, 8, 15],
        [15, 19, 15, 19],
      ],
    ]);
    expect(byGroup[0]![0]![0]!.segmenter_id).toBe(segmenter.id);
  });

  it('names the rollout that an error is about', async () => {
    const strict = new SatSegmenter(wordModel({ A: 0.9 }), { minChars: 1, maxTokens: 5 });
    const withoutIds = [rollouts[0]!, { ...rollouts[2]!, response_ids: null }];
    await expect(segmentRolloutsAsync(withoutIds, strict, new ByteTokenizer()).next()).rejects.toMatchObject({
      argument: 'maxTokens',
      message: expect.stringMatching(/^rollout r3: inputs\[1\]: maxTokens/),
    });
    const encoder: OffsetEncoder = {
      id: 'odd',
      tokenToId: () => 0,
      encode: async (text) =>
        text.startsWith('three')
          ? Promise.reject(new LapidaryError('ERR_LAPIDARY_DATA', 'offsets: bad', { argument: 'offsets' }))
          : { ids: [1], offsets: [[0, 99]] },
    };
    const odd = new SatSegmenter({ model: new FakeModel(), encoder });
    await expect(segmentRolloutsAsync(rollouts.slice(1), odd, null).next()).rejects.toThrowError(
      /^rollout r3: inputs\[1\]: offsets: bad/,
    );
    await expect(segmentRolloutsAsync(rollouts.slice(0, 1), odd, null).next()).rejects.toThrowError(
      /^rollout r1: inputs\[0\]: offsets: token 0 has \[0, 99\]/,
    );
  });

  it('stops when asked to, and refuses a segmenter that does not cover the text', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(segmentRolloutsAsync(rollouts, segmenter, null, { signal }).next()).rejects.toThrowError(
      'enough',
    );
    const bad = { id: 'bad', segmentMany: async () => [[{ start: 0, end: 3 }]] };
    await expect(segmentRolloutsAsync(rollouts.slice(0, 1), bad, null).next()).rejects.toThrowError(
      /rollout r1: spans: do not cover/,
    );
  });
});
