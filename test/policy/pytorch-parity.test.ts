import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { loadPolicy, savePolicy, savePolicyDirectory } from '../../lib/policy/checkpoint.ts';
import { packTokens } from '../../lib/policy/pack.ts';
import { Policy } from '../../lib/policy/policy.ts';
import { randomInteger, seededRandom } from '../../lib/random.ts';
import { llamaConfig, rawFile, writeFolder } from './llama-folder.ts';
import { pythonWithTorch } from './python-environment.ts';

const python = await pythonWithTorch();

/** |a - b| / |b| over whole vectors. */
function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

const SIZES = { vocab: 37, width: 32, layers: 2, heads: 4, mlpWidth: 44, maxContext: 64 };

/** Larger weights than the initial ones, so that attention and the gates are far from uniform. */
function sharpened(tiedHead: boolean, seed: number): Policy {
  const policy = new Policy({ ...SIZES, tiedHead }, { seed });
  for (const { name } of policy.parameters()) {
    const weights = policy.read('parameters', name).map((w) => (name.includes('norm') ? w : 8 * w));
    policy.write('parameters', name, weights);
  }
  return policy;
}

/** Each leaves `policy`, or what is left of it, at `place`. */
const writers: [string, boolean, (policy: Policy, place: string) => Promise<void> | void][] = [
  ['a file of its own', false, savePolicy],
  ['a folder of its own, tied', true, savePolicyDirectory],
  [
    'a bf16 folder',
    false,
    (policy, place) => writeFolder(place, llamaConfig(policy), rawFile(policy, 'BF16')),
  ],
];

it.skipIf(python === null).each(writers)(
  'the policy and PyTorch agree on log-probs and on every gradient: %s',
  { timeout: 600_000 },
  async (_name, tiedHead, write) => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-parity-'));
    try {
      const seed = 20_251;
      const random = seededRandom(seed);
      const files = ['policy', 'batch.json', 'out.json'].map((name) => path.join(directory, name));
      await write(sharpened(tiedHead, seed), files[0]!);
      const policy = loadPolicy(files[0]!);
      const sequences = [5, 1, 64, 23].map((length) =>
        Array.from({ length }, () => randomInteger(random, SIZES.vocab)),
      );
      const packed = packTokens(sequences);
      const dlogp = Float32Array.from(packed.tokens, () => random() - 0.5);
      const logp = await policy.forward(packed, { keep: true });
      await policy.backward(Tensor.from('f32', dlogp));
      const batch = { tokens: [...packed.tokens], cu_seqlens: [...packed.cuSeqlens], dlogp: [...dlogp] };
      writeFileSync(files[1]!, JSON.stringify(batch));
      const run = spawnSync(python!, ['test/policy/llama_reference.py', ...files], { encoding: 'utf8' });
      expect(run.status, run.stderr).toBe(0);
      const reference = JSON.parse(readFileSync(files[2]!, 'utf8')) as {
        logp: number[];
        gradients: Record<string, number[]>;
      };
      expect(relativeError(logp.data, reference.logp)).toBeLessThan(2e-6);
      for (const { name } of policy.parameters()) {
        const error = relativeError(policy.read('gradients', name), reference.gradients[name]!);
        expect(error, `gradient of ${name} (seed ${seed})`).toBeLessThan(2e-5);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
