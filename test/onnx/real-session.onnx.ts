import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OrtSatModel, type SatModel } from '../../lib/segment/sat-model.ts';
import { openSatSegmenter, SatSegmenter, type SatSegmenterOptions } from '../../lib/segment/sat-segmenter.ts';
import { loadHfEncoder, type OffsetEncoder } from '../../lib/tokenizer/hf-encoder.ts';
import { HfTokenizer } from '../../lib/tokenizer/hf-tokenizer.ts';
import { namedExports } from '../../lib/tokenizer/optional-package.ts';
import { type Random, seededRandom } from '../random.ts';
import { byteLevelFile, sentencePieceFile } from '../tokenizer/hf-files.ts';
import { halfBits, LABELS, tinyLogit, tinyOnnx } from './tiny-onnx.ts';
import { tinyTokenizer } from './tiny-tokenizer.ts';

const folder = mkdtempSync(join(tmpdir(), 'lapidary-onnx-'));
const path = (name: string): string => join(folder, name);
const home = process.cwd();
const hasFloat16Array = 'Float16Array' in globalThis;
const MASKS = hasFloat16Array ? (['Uint16Array', 'Float16Array'] as const) : (['Uint16Array'] as const);

let encoder: OffsetEncoder;

beforeAll(async () => {
  // The packages are found from the working directory, as a user's are.
  process.chdir(resolve('build/onnx'));
  writeFileSync(path('model.onnx'), tinyOnnx('float32'));
  writeFileSync(path('half.onnx'), tinyOnnx('float16'));
  writeFileSync(path('tokenizer.json'), JSON.stringify(tinyTokenizer()));
  encoder = await loadHfEncoder(path('tokenizer.json'));
});
afterAll(() => {
  process.chdir(home);
  rmSync(folder, { recursive: true });
});

/** The same model in JavaScript. */
const fake: SatModel = {
  id: 'tiny',
  boundaryLogits: async (ids, batch, length) =>
    Float32Array.from({ length: batch * length }, (_, i) => tinyLogit(Number(ids[i]), i % length)),
};

describe('the session of onnxruntime-node', () => {
  it('gives the logits of the fake one', async () => {
    for (const [name, digits] of [
      ['model.onnx', 5],
      ['half.onnx', 1],
    ] as const) {
      const model = await OrtSatModel.open(path(name));
      const random = seededRandom(5);
      for (const [batch, length] of [
        [1, 3],
        [3, 17],
        [2, 512],
      ] as const) {
        const ids = BigInt64Array.from({ length: batch * length }, () => BigInt(random.int(0, 119)));
        const found = await model.boundaryLogits(ids, batch, length);
        const expected = await fake.boundaryLogits(ids, batch, length);
        expect(found).toHaveLength(expected.length);
        for (const [i, value] of expected.entries())
          expect(found[i], `${name} ${i}`).toBeCloseTo(value, digits);
      }
    }
  });

  interface Ort {
    Tensor: new (type: string, data: unknown, dims: number[]) => object;
    InferenceSession: {
      create(file: string): Promise<{ run(feeds: object): Promise<{ logits: { data: Float32Array } }> }>;
    };
  }
  const VALUES = [1, 0.5, 0, 2];

  /** Runs the model with a mask of these values, carried as given. */
  async function runMasked(makeMask: (ort: Ort) => object): Promise<Float32Array> {
    const file = join(process.cwd(), 'node_modules/onnxruntime-node/dist/index.js');
    const ort = namedExports(await import(file)) as unknown as Ort;
    const session = await ort.InferenceSession.create(path('model.onnx'));
    const ids = new ort.Tensor('int64', BigInt64Array.of(5n, 6n, 7n, 8n), [1, 4]);
    const { logits } = await session.run({ input_ids: ids, attention_mask: makeMask(ort) });
    return logits.data;
  }

  function checkMasked(logits: Float32Array): void {
    const sums = [1, 1.5, 1.5, 3.5];
    for (let i = 0; i < 4; i++) {
      const whole = tinyLogit(5 + i, -1) + 0.03125 * sums[i]!;
      expect(logits[i * LABELS], `position ${i}`).toBeCloseTo(VALUES[i]! * whole, 5);
    }
  }

  it('reads a mask made as uint16 and called float16: other values than 1 come through', async () => {
    checkMasked(
      await runMasked(({ Tensor }) =>
        Object.defineProperty(new Tensor('uint16', halfBits(VALUES), [1, 4]), 'type', { value: 'float16' }),
      ),
    );
  });

  it.each(MASKS)('reads a float16 mask from a %s rightly, or refuses it, but never wrongly', async (kind) => {
    const bits = halfBits(VALUES);
    const Half = (globalThis as unknown as { Float16Array: new (buffer: ArrayBufferLike) => unknown })
      .Float16Array;
    const mask = kind === 'Uint16Array' ? bits : new Half(bits.buffer);
    let logits: Float32Array;
    try {
      logits = await runMasked(({ Tensor }) => new Tensor('float16', mask, [1, 4]));
    } catch (error) {
      console.log(
        `a float16 mask from a ${kind} is refused on ${process.version}: ${(error as Error).message}`,
      );
      // That is why OrtSatModel makes its mask in the way of the test above.
      expect(hasFloat16Array).toBe(true);
      return;
    }
    checkMasked(logits);
  });

  it('names a file that is no model', async () => {
    writeFileSync(path('broken.onnx'), 'not a model');
    await expect(OrtSatModel.open(path('broken.onnx'))).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
      message: expect.stringContaining('broken.onnx'),
    });
    const model = await OrtSatModel.open(path('model.onnx'));
    await expect(model.boundaryLogits(BigInt64Array.of(5000n), 1, 1)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_DATA',
      message: expect.stringContaining('model.onnx'),
    });
  });
});

describe('the tokenizer of tokenizers', () => {
  const slices = async (text: string): Promise<string[]> => {
    const { offsets } = await encoder.encode(text);
    return offsets.map(([start, end]) => text.slice(start, end));
  };

  it('gives offsets that are UTF-16 units of the text, past characters outside the basic plane too', async () => {
    expect(await slices('One 🎉 Two')).toEqual(['One', ' 🎉', ' Two']);
    expect((await encoder.encode('🎉🎉 Two')).offsets.at(-1)).toEqual([4, 8]);
    expect(await slices('日本🎉é')).toEqual(expect.arrayContaining(['日', '本', '🎉', 'é']));
  });

  it('never sees a line break: it is a space to it', async () => {
    const [a, b] = [await encoder.encode('One\n\nTwo'), await encoder.encode('One Two')];
    expect(a.ids).toEqual(b.ids);
    expect(a.offsets.at(-1)![1]).toBe(8);
  });

  it('adds no special tokens, and knows those that SaT needs', async () => {
    expect((await encoder.encode('One')).ids).toHaveLength(1);
    expect([encoder.tokenToId('<s>'), encoder.tokenToId('</s>'), encoder.tokenToId('<none>')]).toEqual([
      0,
      2,
      null,
    ]);
  });

  it('takes lone surrogates and NUL', async () => {
    for (const text of ['a\ud800b', '\udc00', 'a\0b', '\u200d', 'e\u0301 x']) {
      const { offsets } = await encoder.encode(text);
      for (const [start, end] of offsets) expect(start <= end && end <= text.length, text).toBe(true);
    }
  });
});

describe('SaT from files', () => {
  const words = [
    'One',
    'Two',
    'first',
    '🎉',
    '日本',
    'x.',
    'end!',
    '\n\n',
    '\n',
    '$a b$',
    '3.14',
    '</think>',
    'é',
  ];

  it('cuts as the fake model does', async () => {
    let cuts = 0;
    for (const options of [
      { threshold: 0.5 },
      { threshold: 0.5, weighting: 'hat', stride: 7, blockSize: 24 },
      { mode: 'viterbi', prior: { kind: 'gaussian', target: 40, spread: 15 }, blockSize: 24, stride: 7 },
      { mode: 'greedy', maxChars: 80 },
    ] as SatSegmenterOptions[]) {
      const lengths = { minChars: 5, maxChars: 200, ...options };
      const files = { model: path('model.onnx'), tokenizer: path('tokenizer.json') };
      const real = await openSatSegmenter(files, { ...lengths, kind: 'sm' });
      const same = new SatSegmenter({ model: fake, encoder }, { ...lengths, kind: 'sm' });
      const inputs = Array.from({ length: 12 }, (_, seed) => {
        const random = seededRandom(seed);
        return { text: Array.from({ length: random.int(0, 90) }, () => random.pick(words)).join(' ') };
      });
      const found = await real.segmentMany(inputs);
      expect(found).toEqual(await same.segmentMany(inputs));
      cuts += found.flat().length - inputs.length;
      expect(real.id).not.toBe(same.id);
    }
    expect(cuts).toBeGreaterThan(50);
  });
});

/** A token, or the tokens of one character: of ill-formed bytes the package makes more or fewer U+FFFD. */
function randomIds(name: string, random: Random): number[] {
  if (name === 'byte-level.json')
    return random.pick([[0], [1], [2], [3, 4, 5], [6], [7], [8], [20], [21], [23]]);
  if (random.next() < 0.6) return [random.pick([0, 1, 2, 259, 260, 261, 262, 263, 264, 265])];
  return [...Buffer.from(random.pick(['🎉', 'é', '\n', ' ']))].map((byte) => byte + 3);
}

describe('HfTokenizer beside the package', () => {
  it('decodes as the package does', async () => {
    const { Tokenizer } = namedExports(
      await import(join(process.cwd(), 'node_modules/tokenizers/index.js')),
    ) as unknown as {
      Tokenizer: { fromFile(file: string): { decode(ids: number[], skip: boolean): Promise<string> } };
    };
    for (const [name, file, eosToken] of [
      ['byte-level.json', byteLevelFile(), '<|im_end|>'],
      ['sentencepiece.json', sentencePieceFile(), '</s>'],
    ] as const) {
      // The package gives added tokens other ids where there is a hole before them.
      const { vocab } = (file as { model: { vocab: Record<string, number> } }).model;
      for (let id = 12; name === 'byte-level.json' && id < 20; id++) vocab[`x${id}`] = id;
      writeFileSync(path(name), JSON.stringify(file));
      const theirs = Tokenizer.fromFile(path(name));
      for (const specialTokens of ['empty', 'text'] as const) {
        const ours = new HfTokenizer(path(name), { eosToken, specialTokens });
        for (let seed = 1; seed <= 100; seed++) {
          const random = seededRandom(seed);
          const ids = Array.from({ length: random.int(1, 8) }, () => randomIds(name, random)).flat();
          const expected = await theirs.decode(ids, specialTokens === 'empty');
          expect(ours.decode(ids), `${name} ${specialTokens} seed ${seed}: ${ids}`).toBe(expected);
        }
      }
    }
  });

  it('encodes with its encoder, and reads the ids back', async () => {
    const tokenizer = new HfTokenizer(path('tokenizer.json'), { eosToken: '</s>', encoder });
    const ids = await tokenizer.encodeAsync('One 🎉 Two');
    expect(tokenizer.decode(ids)).toBe('One 🎉 Two');
  });
});
