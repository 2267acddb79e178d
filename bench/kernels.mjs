// npm run bench [-- --json FILE]: speed of the kernels and of the built-in policy against ceilings measured in the
// same run: reading memory (a sum over as many bytes) for what reads logits, our own matrix product for what
// multiplies. Build first (npm run build).
import { writeFileSync } from 'node:fs';
import {
  devices,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
  objectives,
  policyLossSync,
  sequenceScales,
  Tensor,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
} from '../dist/index.js';
import { machine, measure } from './measure.mjs';
import { benchPolicy } from './policy.mjs';

const [rows, vocab, width] = [256, 32000, 512];
const random = (() => {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
})();
const fill = (tensor, scale) => {
  for (let i = 0; i < tensor.data.length; i++) tensor.data[i] = scale * random();
  return tensor;
};

const logits = fill(Tensor.alloc('f32', [rows, vocab]), 8);
const dlogits = Tensor.alloc('f32', [rows, vocab]);
const targets = Tensor.alloc('i32', [rows]);
targets.data.forEach((_, i) => {
  targets.data[i] = (i * 7919) % vocab;
});
const hidden = fill(Tensor.alloc('f32', [rows, width]), 1);
const weight = fill(Tensor.alloc('f32', [vocab, width]), 0.05);
const out = tokenLogprobsSync({ logits, targets });
const linear = linearLogprobsSync({ hidden, weight, targets });
const dlogp = fill(Tensor.alloc('f32', [rows]), 1);
const gradients = {
  dhidden: Tensor.alloc('f32', [rows, width]),
  dweight: Tensor.alloc('f32', [vocab, width]),
};

const [sequences, length] = [1024, 1024];
const tokens = sequences * length;
const column = () => fill(Tensor.alloc('f32', [tokens]), 1);
const loss = {
  objective: objectives.bcpgNsa({ tau: 1e-3 }),
  cuSeqlens: Int32Array.from({ length: sequences + 1 }, (_, i) => i * length),
  ...{ logp: column(), refLogp: column(), tokenWeights: column(), dlogp: Tensor.alloc('f32', [tokens]) },
  advantages: fill(Tensor.alloc('f32', [sequences]), 1),
  seqScale: sequenceScales('seq-mean-token-mean', new Array(sequences).fill(length)),
};

const source = new Uint8Array(logits.data.buffer);
const target = new Uint8Array(dlogits.data.buffer);
const seconds = await measure([
  { name: 'copy', run: () => target.set(source) },
  { name: 'token log-probs', run: () => tokenLogprobsSync({ logits, targets }, { out }) },
  {
    name: 'token log-probs backward',
    run: () => tokenLogprobsBackwardSync({ logits, targets, ...out, dlogp, dlogits }),
  },
  { name: 'linear log-probs', run: () => linearLogprobsSync({ hidden, weight, targets }, { out: linear }) },
  {
    name: 'linear log-probs backward',
    run: () => linearLogprobsBackwardSync({ hidden, weight, targets, ...linear, dlogp }, { out: gradients }),
  },
  { name: 'policy loss (BCPG-NSA)', run: () => policyLossSync(loss) },
]);

const matrix = 4 * rows * vocab;
const product = 2 * rows * vocab * width;
// [bytes that must move, operations that must run]: the two floors.
const floors = {
  copy: [2 * matrix, 0],
  'token log-probs': [matrix, 0],
  'token log-probs backward': [2 * matrix, 0],
  'linear log-probs': [4 * vocab * width, product],
  'linear log-probs backward': [8 * vocab * width, 3 * product],
  'policy loss (BCPG-NSA)': [16 * tokens, 0],
};
const copyRate = floors.copy[0] / seconds.copy / 1e9;
const results = Object.entries(floors).map(([name, [bytes, operations]]) => ({
  name,
  ms: seconds[name] * 1e3,
  gbPerSecond: bytes / seconds[name] / 1e9,
  gflopPerSecond: operations / seconds[name] / 1e9,
  shareOfCopy: bytes / seconds[name] / 1e9 / copyRate,
}));
const policy = await benchPolicy();
const report = {
  machine: machine(),
  devices: devices(),
  shape: { rows, vocab, width, tokens, sequences },
  results,
  policy,
};

console.log(`${report.machine.cpu}, ${report.machine.cores} cores, ${devices()[0].implementation}`);
console.log(`T = ${rows}, V = ${vocab}, H = ${width}; policy loss over ${tokens} tokens\n`);
for (const { name, ms, gbPerSecond, gflopPerSecond, shareOfCopy } of results) {
  const rate = gflopPerSecond
    ? `${gflopPerSecond.toFixed(1)} GFLOP/s`
    : `${gbPerSecond.toFixed(1)} GB/s, ${(100 * shareOfCopy).toFixed(0)} % of copy`;
  console.log(`${name.padEnd(28)} ${ms.toFixed(2).padStart(8)} ms  ${rate}`);
}
for (const [name, value] of Object.entries(policy))
  console.log(`${name.padEnd(28)} ${Math.round(value)} tokens/s`);
const at = process.argv.indexOf('--json');
if (at > 0) writeFileSync(process.argv[at + 1], `${JSON.stringify(report, null, 2)}\n`);
