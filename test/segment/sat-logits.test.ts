import { describe, expect, it } from 'vitest';
import { blocksOf, blockWeights } from '../../lib/segment/sat-blocks.ts';
import { SatReader } from '../../lib/segment/sat-logits.ts';
import type { SatModel } from '../../lib/segment/sat-model.ts';
import { seededRandom } from '../random.ts';
import { FakeEncoder, FakeModel, slowLogits } from './fake-sat.ts';

const READING = { blockSize: 512, stride: 64, batchSize: 32, weighting: 'uniform' } as const;
const encoding = (ids: number[]) => ({ ids, offsets: ids.map((_, i) => [i, i + 1] as const) });

describe('blocks', () => {
  it('come one every stride; the last is shifted left to the end', () => {
    expect(blocksOf(25, 10, 4)).toEqual([
      { start: 0, end: 10 },
      { start: 4, end: 14 },
      { start: 8, end: 18 },
      { start: 12, end: 22 },
      { start: 15, end: 25 },
    ]);
    expect(blocksOf(10, 10, 4)).toEqual([{ start: 0, end: 10 }]);
    expect(blocksOf(3, 10, 4)).toEqual([{ start: 0, end: 3 }]);
    expect(blocksOf(18, 10, 4).at(-1)).toEqual({ start: 8, end: 18 });
    expect(blocksOf(0, 10, 4)).toEqual([]);
  });

  it('of 7,922 tokens are 117 at stride 64 and 30 at stride 256', () => {
    expect(blocksOf(7922, 510, 64)).toHaveLength(117);
    expect(blocksOf(7922, 510, 256)).toHaveLength(30);
  });

  it('weigh alike, or as a triangle that is highest in the middle and never 0', () => {
    expect([...blockWeights(3, 'uniform')]).toEqual([1, 1, 1]);
    expect([...blockWeights(4, 'hat')]).toEqual([0.25, 0.75, 0.75, 0.25]);
    expect([...blockWeights(1, 'hat')]).toEqual([1]);
  });
});

describe('SatReader', () => {
  it('averages over blocks as a slow reading of the definition does', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = seededRandom(seed);
      const texts = Array.from({ length: random.int(1, 4) }, () =>
        Array.from({ length: random.int(0, 60) }, () => random.int(10, 99)),
      );
      const blockSize = random.int(3, 20);
      const reading = {
        blockSize,
        stride: random.int(1, blockSize - 2),
        batchSize: random.int(1, 5),
        weighting: random.pick(['uniform', 'hat'] as const),
      };
      const reader = new SatReader(new FakeModel(), new FakeEncoder(), reading);
      const found = await reader.tokenLogits(texts.map(encoding));
      for (const [i, ids] of texts.entries()) {
        const slow = slowLogits(ids, blockSize - 2, reading.stride, reading.weighting === 'hat');
        expect(found[i]).toHaveLength(slow.length);
        for (const [k, value] of slow.entries()) {
          expect(found[i]![k], `seed ${seed}, text ${i}, token ${k}`).toBeCloseTo(value, 9);
        }
      }
    }
  });

  it('frames each block by <s> and </s>, and fills batches across texts', async () => {
    const model = new FakeModel();
    const reading = { ...READING, blockSize: 6, stride: 2, batchSize: 4 };
    const reader = new SatReader(model, new FakeEncoder(), reading);
    await reader.tokenLogits([encoding([11, 12, 13, 14, 15]), encoding([21, 22, 23, 24]), encoding([31])]);
    expect(model.inputs).toEqual([
      [0n, 11n, 12n, 13n, 14n, 2n],
      [0n, 12n, 13n, 14n, 15n, 2n],
      [0n, 21n, 22n, 23n, 24n, 2n],
      [0n, 31n, 2n],
    ]);
    expect(model.calls).toEqual([
      [3, 6],
      [1, 3],
    ]);
  });

  it('stops between batches when asked to', async () => {
    const controller = new AbortController();
    const model: SatModel = {
      id: 'm',
      boundaryLogits: async (_, batch, length) => {
        controller.abort(new Error('enough'));
        return new Float32Array(batch * length);
      },
    };
    const reader = new SatReader(model, new FakeEncoder(), {
      ...READING,
      blockSize: 4,
      stride: 1,
      batchSize: 1,
    });
    await expect(reader.tokenLogits([encoding([1, 2, 3, 4])], controller.signal)).rejects.toThrowError(
      'enough',
    );
  });

  it('refuses NaN, too few logits, and a tokenizer without the special tokens', async () => {
    for (const logits of [new Float32Array(3).fill(Number.NaN), new Float32Array(1)]) {
      const reader = new SatReader(
        { id: 'm', boundaryLogits: async () => logits },
        new FakeEncoder(),
        READING,
      );
      await expect(reader.tokenLogits([encoding([5])])).rejects.toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
    }
    const encoder = { id: 'e', tokenToId: () => null, encode: async () => encoding([]) };
    expect(() => new SatReader(new FakeModel(), encoder, READING)).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'encoder' }),
    );
  });
});
