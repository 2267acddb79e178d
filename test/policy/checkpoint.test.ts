import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { loadPolicy, savePolicy } from '../../lib/policy/checkpoint.ts';
import { packTokens } from '../../lib/policy/pack.ts';
import { Policy } from '../../lib/policy/policy.ts';

const CONFIG = { vocab: 9, width: 8, layers: 1, heads: 2, mlpWidth: 12, maxContext: 16 };
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-checkpoint-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

it('a saved policy loads to the bit', async () => {
  const file = path.join(directory, 'policy.safetensors');
  const policy = new Policy(CONFIG, { seed: 4 });
  await savePolicy(policy, file);
  const loaded = loadPolicy(file);
  expect(loaded.config).toEqual(policy.config);
  const packed = packTokens([[1, 2, 3, 4, 5]]);
  expect((await loaded.forward(packed)).data).toEqual((await policy.forward(packed)).data);
});

it('a damaged file is refused with its name and what is wrong', async () => {
  const file = path.join(directory, 'damaged.safetensors');
  await savePolicy(new Policy(CONFIG), file);
  const bytes = readFileSync(file);
  for (const length of [0, 7, 8, 100, bytes.length - 1]) {
    writeFileSync(file, bytes.subarray(0, length));
    expect(() => loadPolicy(file), `${length} bytes`).toThrow(/damaged\.safetensors/);
  }
});

it('wrong calls are coded errors that name the argument', async () => {
  const policy = new Policy(CONFIG);
  const packed = packTokens([[1, 2, 3]]);
  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no error',
      (error: { code: string; argument?: string }) => `${error.code} ${error.argument ?? ''}`.trim(),
    );
  expect(await code(policy.backward(Tensor.alloc('f32', [3])))).toMatch(/^ERR_LAPIDARY_(ARGUMENT|STATE)/);
  expect(await code(policy.forward(packTokens([[1, 9]])))).toMatch(/^ERR_LAPIDARY_ARGUMENT tokens/);
  expect(await code(policy.forward(packTokens([new Array(17).fill(1)])))).toMatch(/^ERR_LAPIDARY_ARGUMENT/);
  expect(() => new Policy({ ...CONFIG, heads: 3 })).toThrow(/heads/);
  expect(() => new Policy({ ...CONFIG, widht: 3 } as never)).toThrow(/widht/);
  await policy.forward(packed, { keep: true });
  await policy.backward(Tensor.from('f32', Float32Array.from([0, Number.NaN, 1])));
  const before = policy.read('parameters', 'lm_head.weight');
  expect(await code(policy.step({ lr: 1e-3 }))).toMatch(/^ERR_LAPIDARY_STATE/);
  expect(policy.read('parameters', 'lm_head.weight')).toEqual(before);
  policy.dispose();
  expect(() => policy.parameters()).toThrow(/disposed/);
});
