import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { savePolicy } from '../../lib/policy/checkpoint.ts';
import { packTokens } from '../../lib/policy/pack.ts';
import { Policy } from '../../lib/policy/policy.ts';
import { randomInteger, seededRandom } from '../../lib/random.ts';
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

it.skipIf(python === null)(
  'the policy and PyTorch agree on log-probs and on every gradient',
  { timeout: 600_000 },
  async () => {
    const directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-parity-'));
    try {
      const seed = 20_251;
      const random = seededRandom(seed);
      const policy = new Policy(
        { vocab: 37, width: 32, layers: 2, heads: 4, mlpWidth: 44, maxContext: 64 },
        { seed },
      );
      const sequences = [5, 1, 64, 23].map((length) =>
        Array.from({ length }, () => randomInteger(random, 37)),
      );
      const packed = packTokens(sequences);
      // Larger weights than the initial ones, so that attention and the gates are far from uniform.
      for (const { name } of policy.parameters()) {
        const weights = policy.read('parameters', name).map((w) => (name.includes('norm') ? w : 8 * w));
        policy.write('parameters', name, weights);
      }
      const dlogp = Float32Array.from(packed.tokens, () => random() - 0.5);
      const logp = await policy.forward(packed, { keep: true });
      await policy.backward(Tensor.from('f32', dlogp));
      const files = ['policy.safetensors', 'batch.json', 'out.json'].map((name) =>
        path.join(directory, name),
      );
      await savePolicy(policy, files[0]!);
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
