// A full training step of the built-in policy beside PyTorch's on the same model, weights and tokens: forward, mean
// token log-likelihood, backward, clipping, AdamW. `node bench/policy-vs-torch.mjs --help`; needs `npm run build`.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Tensor } from '../dist/index.js';
import { savePolicy } from '../dist/policy/checkpoint.js';
import { packTokens } from '../dist/policy/pack.js';
import { Policy } from '../dist/policy/policy.js';
import { machine } from './machine.mjs';
import { Provider } from './peers/process.mjs';
import { PYTHON } from './peers/providers.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const SHAPES = {
  small: { vocab: 256, width: 128, layers: 2, heads: 4, mlpWidth: 512, length: 128, batch: 16 },
  demo: { vocab: 22, width: 64, layers: 3, heads: 4, mlpWidth: 172, length: 60, batch: 128 },
};
const LR = 1e-3;
const USAGE = `node bench/policy-vs-torch.mjs [options]
  --shape NAME     ${Object.keys(SHAPES).join(' or ')} (default small): ${JSON.stringify(SHAPES.small)}
  --threads N      of both (default 1)
  --rounds N       (default 15)
  --steps N        steps of each contestant in a round (default 3)
  --eager          without torch.compile
  --python FILE    a Python with PyTorch (default: that of npm run bench:install)
  --json FILE      where the times go`;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** The library as a contestant: the calls of lib/train, with the gradient of the mean in place of a policy loss. */
function library(policy, sequences) {
  const packed = packTokens(sequences);
  const predicted = packed.tokens.length - sequences.length;
  const logp = Tensor.alloc('f32', [packed.tokens.length]);
  const dlogp = Tensor.alloc('f32', [packed.tokens.length]);
  const step = async () => {
    policy.zeroGradients();
    await policy.forward(packed, { keep: true, out: logp });
    const loss = -logp.data.reduce((sum, x) => sum + x, 0) / predicted;
    dlogp.data.fill(-1 / predicted);
    await policy.backward(dlogp);
    return { loss, norm: await policy.step({ lr: LR, maxGradNorm: 1 }) };
  };
  return async (steps) => {
    const start = performance.now();
    let last;
    for (let i = 0; i < steps; i++) last = await step();
    return { seconds: (performance.now() - start) / 1000 / steps, ...last };
  };
}

/** Both train on the same batch for as many steps: their losses and gradient norms must stay the same. */
async function agrees(contestant, expected) {
  for (const { loss, norm } of expected) {
    const answer = await contestant.run(1);
    const apart = Math.max(Math.abs(answer.loss / loss - 1), Math.abs(answer.norm / norm - 1));
    if (!(apart < 1e-3)) return `its loss and gradient norm are ${apart.toExponential(1)} away`;
  }
  return null;
}

async function contestantsOf(policy, sequences, options) {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'lapidary-bench-'));
  const checkpoint = path.join(directory, 'policy.safetensors');
  await savePolicy(policy, checkpoint);
  const own = { name: 'Lapidary', run: library(policy, sequences), times: [] };
  const expected = [];
  for (let i = 0; i < 3; i++) expected.push(await own.run(1));
  const contestants = [own];
  const env = { OMP_NUM_THREADS: String(options.threads) };
  const script = path.join(here, 'peers', 'python', 'torch_training.py');
  const torch = new Provider('PyTorch', options.python, [script], env);
  const load = { checkpoint, batch: sequences, threads: options.threads, lr: LR };
  const { version } = await torch.ask('load', load);
  rmSync(directory, { recursive: true });
  for (const variant of options.eager ? ['eager'] : ['eager', 'compiled']) {
    const name = `PyTorch ${version} ${variant}`;
    const peer = { name, run: (steps) => torch.ask('run', { variant, steps }), times: [] };
    const fault = await agrees(peer, expected).catch((error) => error.message);
    if (fault === null) contestants.push(peer);
    else console.error(`${name} is left out: ${fault}`);
  }
  return { contestants, torch };
}

async function main() {
  const { values } = parseArgs({
    options: {
      shape: { type: 'string', default: 'small' },
      threads: { type: 'string', default: '1' },
      rounds: { type: 'string', default: '15' },
      steps: { type: 'string', default: '3' },
      eager: { type: 'boolean', default: false },
      python: { type: 'string', default: PYTHON },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [threads, rounds, steps] = [values.threads, values.rounds, values.steps].map(Number);
  const shape = SHAPES[values.shape];
  if (shape === undefined || ![threads, rounds, steps].every((n) => Number.isInteger(n) && n > 0)) {
    throw new Error(`a shape is one of ${Object.keys(SHAPES)}, and counts are above 0\n${USAGE}`);
  }
  if (!existsSync(values.python)) {
    throw new Error(
      `${values.python} is missing: "npm run bench:install" makes it, or --python names another`,
    );
  }
  const { length, batch, ...sizes } = shape;
  const policy = new Policy({ ...sizes, maxContext: length }, { seed: 1, threads });
  // Any tokens do: a step takes as long whatever they are.
  const sequences = Array.from({ length: batch }, (_, i) =>
    Array.from({ length }, (_, t) => (t * t + 7 * t * i + i) % sizes.vocab),
  );
  const options = { threads, python: values.python, eager: values.eager };
  const { contestants, torch } = await contestantsOf(policy, sequences, options);
  for (let round = 0; round < rounds; round++) {
    for (const contestant of contestants) contestant.times.push((await contestant.run(steps)).seconds);
  }
  torch.close();
  const [own, ...peers] = contestants;
  console.log(`${JSON.stringify(shape)}, ${threads} thread(s), median of ${rounds} rounds of ${steps} steps`);
  for (const { name, times } of contestants) {
    const seconds = median(times);
    console.log(
      `${name}: ${(1000 * seconds).toFixed(2)} ms a step, ${Math.round((batch * length) / seconds)} tokens/s`,
    );
  }
  for (const { name, times } of peers) {
    const ratio = median(times.map((seconds, round) => seconds / own.times[round]));
    console.log(`${name} takes ${ratio.toFixed(2)} times as long as Lapidary (median of the rounds)`);
  }
  const times = Object.fromEntries(contestants.map((contestant) => [contestant.name, contestant.times]));
  if (values.json) {
    writeFileSync(
      values.json,
      `${JSON.stringify({ machine: machine(), shape, threads, steps, times }, null, 1)}\n`,
    );
  }
}

await main();
