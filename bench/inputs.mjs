// The inputs of a dataset as raw files (little-endian, one array a file), so that every process reads the same bits.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const folder = path.join(os.tmpdir(), `lapidary-bench-${process.pid}`);

/** Numbers from a seed: `next` gives 32 bits (xorshift), `uniform` [0, 1), `normal` from a table. */
function generator(seed) {
  let state = seed | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  for (let i = 0; i < 16; i++) next();
  return { next, uniform: () => next() / 2 ** 32, normal: () => table[next() >>> 16] };
}

// Box and Muller's transform of 2^16 evenly spread pairs.
const table = Float32Array.from({ length: 2 ** 16 }, (_, i) => {
  const angle = 2 * Math.PI * ((i * 0.6180339887498949) % 1);
  return Math.sqrt(-2 * Math.log((i + 0.5) / 2 ** 16)) * Math.cos(angle);
});

function bf16(values) {
  const words = new Uint32Array(values.buffer);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = (words[i] + 0x7fff + ((words[i] >>> 16) & 1)) >>> 16;
  return out;
}

function normals(random, length, scale) {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = scale * random.normal();
  return values;
}

const targetsOf = (random, rows, vocab) => Int32Array.from({ length: rows }, () => random.next() % vocab);

/**
 * Logits [T, V] of standard deviation 2. `peaked` plants the target where a trained model has it: 70 % of the
 * tokens get p > 0.9, the rest anything down to e^-6. The teacher's logits are the student's with noise.
 */
function tokenInputs({ rows, vocab, dtype, logits: kind }) {
  const random = generator(7);
  const logits = normals(random, rows * vocab, 2);
  const targets = targetsOf(random, rows, vocab);
  if (kind === 'peaked') {
    const rest = Math.log(vocab) + 2; // log sum exp of normals of variance 4
    for (let t = 0; t < rows; t++) {
      const margin = random.uniform() < 0.7 ? 2.3 + 6 * random.uniform() : 2 - 8 * random.uniform();
      logits[t * vocab + targets[t]] = rest + margin;
    }
  }
  const stored = (values) => (dtype === 'bf16' ? bf16(values) : values);
  const student = stored(logits).slice();
  for (let i = 0; i < logits.length; i++) logits[i] += 0.3 * random.normal();
  return { logits: student, teacher: stored(logits), targets, dlogp: normals(random, rows, 1) };
}

function offsets(random, tokens, sequences) {
  const weights = Array.from({ length: sequences }, () => Math.exp(0.6 * random.normal()));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const cuSeqlens = new Float64Array(sequences + 1);
  let sum = 0;
  for (let i = 0; i < sequences; i++) {
    sum += weights[i];
    cuSeqlens[i + 1] = i + 1 === sequences ? tokens : Math.round((sum / total) * tokens);
  }
  return cuSeqlens;
}

/** Packed sequences of log-normal lengths; a fifth has advantage 0; weights are 0.5 on a quarter of the tokens. */
function batchColumns(random, tokens, sequences) {
  const cuSeqlens = offsets(random, tokens, sequences);
  const advantages = normals(random, sequences, 1).map((a) => (random.uniform() < 0.2 ? 0 : a));
  const seqScale = Float32Array.from(advantages, (_, i) => {
    const length = cuSeqlens[i + 1] - cuSeqlens[i];
    return length > 0 ? 1 / (sequences * length) : 0;
  });
  const tokenWeights = new Float32Array(tokens);
  for (let i = 0; i < tokens; i++) tokenWeights[i] = (i >>> 5) % 4 === 0 ? 0.5 : 1;
  return { cuSeqlens, advantages, seqScale, tokenWeights };
}

/** Hidden states and a head whose logits have standard deviation 2, and the rows as sequences of one batch. */
function linearInputs({ rows, vocab, width, sequences, dtype }) {
  const random = generator(11);
  const stored = (values) => (dtype === 'bf16' ? bf16(values) : values);
  const columns = batchColumns(random, rows, sequences);
  const refLogp = normals(random, rows, 0.3).map((x) => x - Math.log(vocab) - 2);
  return {
    hidden: stored(normals(random, rows * width, 1)),
    weight: stored(normals(random, vocab * width, 2 / Math.sqrt(width))),
    targets: targetsOf(random, rows, vocab),
    dlogp: normals(random, rows, 1),
    ...{ ...columns, refLogp },
  };
}

function policyLossInputs({ tokens, sequences }) {
  const random = generator(13);
  const logp = normals(random, tokens, 1).map((x) => -x * x);
  const near = (scale) => logp.map((x) => Math.min(0, x + scale * random.normal()));
  const columns = batchColumns(random, tokens, sequences);
  return { logp, oldLogp: near(0.1), refLogp: near(0.05), ...columns };
}

const MAKERS = { token: tokenInputs, linear: linearInputs, 'policy-loss': policyLossInputs };

/** Writes a dataset's files and returns what a process needs to load it. */
export function writeInputs(dataset) {
  mkdirSync(folder, { recursive: true });
  for (const [name, values] of Object.entries(MAKERS[dataset.family](dataset))) {
    writeFileSync(path.join(folder, `${name}.bin`), new Uint8Array(values.buffer));
  }
  return { ...dataset, folder };
}

export function removeInputs() {
  rmSync(folder, { recursive: true, force: true });
}
