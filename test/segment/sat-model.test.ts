import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { OrtSatModel } from '../../lib/segment/sat-model.ts';
import { openSatSegmenter } from '../../lib/segment/sat-segmenter.ts';
import { type FakeOrtOptions, fakeOrt } from './fake-ort.ts';
import { fakeLogit } from './fake-sat.ts';

const folder = mkdtempSync(join(tmpdir(), 'lapidary-sat-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, 'model.onnx');
writeFileSync(file, 'not read by the fake');

const ids = BigInt64Array.of(0n, 11n, 12n, 2n, 0n, 21n, 22n, 2n);
const expected = [...ids].map((id, i) => fakeLogit(Number(id), i % 4, 4));

describe('OrtSatModel', () => {
  it('feeds int64 ids and a float16 mask of ones, and reads column 0', async () => {
    for (const type of ['float32', 'float16'] as const) {
      const module = fakeOrt({ type });
      const model = await OrtSatModel.open(file, { module });
      const logits = await model.boundaryLogits(ids, 2, 4);
      expect(module.masks).toEqual([new Uint16Array(8).fill(0x3c00)]);
      for (const [i, value] of expected.entries())
        expect(logits[i]).toBeCloseTo(value, type === 'float32' ? 6 : 1);
      expect(logits).toHaveLength(8);
    }
  });

  it('finds the optimised file of a folder first, and is named by its hash', async () => {
    const module = fakeOrt();
    const plain = await OrtSatModel.open(folder, { module });
    writeFileSync(join(folder, 'model_optimized.onnx'), 'other weights');
    const optimised = await OrtSatModel.open(folder, { module });
    rmSync(join(folder, 'model_optimized.onnx'));
    expect(module.opened).toEqual([file, join(folder, 'model_optimized.onnx')]);
    expect(plain.id).toMatch(/^onnx:[0-9a-f]{16}$/);
    expect(optimised.id).not.toBe(plain.id);
  });

  it('refuses what is no SaT model, naming the file', async () => {
    const cases: [FakeOrtOptions, string][] = [
      [{ inputNames: ['input_ids'] }, 'no input attention_mask'],
      [{ outputNames: ['scores'] }, 'no output logits'],
    ];
    for (const [options, problem] of cases) {
      await expect(OrtSatModel.open(file, { module: fakeOrt(options) })).rejects.toMatchObject({
        code: 'ERR_LAPIDARY_DATA',
        message: expect.stringMatching(new RegExp(`model.onnx: .*${problem}`)),
      });
    }
    for (const options of [{ dims: [2, 4] }, { dims: [2, 5, 3] }, { fail: 'out of memory' }]) {
      const model = await OrtSatModel.open(file, { module: fakeOrt(options) });
      await expect(model.boundaryLogits(ids, 2, 4)).rejects.toMatchObject({ code: 'ERR_LAPIDARY_DATA' });
    }
    await expect(OrtSatModel.open(join(folder, 'nothing'), { module: fakeOrt() })).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_IO',
    });
  });
});

describe('without the optional packages', () => {
  it('says which one to install', async () => {
    await expect(OrtSatModel.open(file)).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
      argument: 'onnxruntime-node',
      message: expect.stringContaining('npm install onnxruntime-node@1.30.0'),
    });
    const files = { model: file, tokenizer: join(folder, 'tokenizer.json') };
    await expect(openSatSegmenter(files, { kind: 'sm' })).rejects.toMatchObject({
      code: 'ERR_LAPIDARY_ARGUMENT',
      message: expect.stringContaining('npm install tokenizers@0.23.2'),
    });
  });
});
