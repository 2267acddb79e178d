// ONNX Runtime for Node as a peer: log-probs by LogSoftmax and by ReduceLogSumExp; it has no gradients.
import * as ort from 'onnxruntime-node';
import { readInto, serve } from '../serve.mjs';
import { model } from './model.mjs';

const TARGETS = ['targets', 'int64', ['T', 'one']];
const LOGP = ['logp', 'float32', ['T', 'one']];
const ENTROPY = ['entropy', 'float32', ['T', 'one']];
const LOGITS = [['logits', 'float32', ['T', 'V']]];
const HEAD = [
  ['hidden', 'float32', ['T', 'H']],
  ['weight', 'float32', ['V', 'H']],
];

const gather = (from, output) => ({
  ...{ op: 'GatherElements', inputs: [from, 'targets'], output, attributes: { axis: 1 } },
});
const reduce = (op, from, output) => ({ op, inputs: [from], output, attributes: { axes: [1], keepdims: 1 } });
const softmax = { op: 'LogSoftmax', inputs: ['logits'], output: 'all', attributes: { axis: 1 } };
const byLogSoftmax = [softmax, gather('all', 'logp')];
const byLogSumExp = [
  gather('logits', 'picked'),
  reduce('ReduceLogSumExp', 'logits', 'lse'),
  { op: 'Sub', inputs: ['picked', 'lse'], output: 'logp' },
];
const entropy = [
  { op: 'Exp', inputs: ['all'], output: 'p' },
  { op: 'Mul', inputs: ['p', 'all'], output: 'terms' },
  reduce('ReduceSum', 'terms', 'sum'),
  { op: 'Neg', inputs: ['sum'], output: 'entropy' },
];
const product = { op: 'Gemm', inputs: ['hidden', 'weight'], output: 'logits', attributes: { transB: 1 } };

const sessions = new Map(); // by graph; a session's threads are fixed
let intraOpNumThreads = 1;

async function run(graph, feeds) {
  if (!sessions.has(graph)) {
    sessions.set(graph, await ort.InferenceSession.create(model(graph), { intraOpNumThreads }));
  }
  const results = await sessions.get(graph).run(feeds);
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data]));
}

const operation = (feeds, nodes, inputs, outputs = [LOGP]) => {
  const graph = { nodes, inputs: [...inputs, TARGETS], outputs };
  return { run: () => run(graph, feeds) };
};

function columns({ folder, rows }, shapes) {
  const targets = BigInt64Array.from(readInto(new Int32Array(rows), folder, 'targets'), BigInt);
  const feeds = { targets: new ort.Tensor('int64', targets, [rows, 1]) };
  for (const [name, shape] of Object.entries(shapes)) {
    const values = readInto(new Float32Array(shape[0] * shape[1]), folder, name);
    feeds[name] = new ort.Tensor('float32', values, shape);
  }
  return feeds;
}

function token(dataset) {
  if (dataset.dtype !== 'f32') return {};
  const feeds = columns(dataset, { logits: [dataset.rows, dataset.vocab] });
  const both = [LOGP, ENTROPY];
  return {
    forward: {
      LogSoftmax: operation(feeds, byLogSoftmax, LOGITS),
      ReduceLogSumExp: operation(feeds, byLogSumExp, LOGITS),
    },
    'forward with entropy': { LogSoftmax: operation(feeds, [...byLogSoftmax, ...entropy], LOGITS, both) },
  };
}

function linear(dataset) {
  if (dataset.dtype !== 'f32') return {};
  const { rows, vocab, width } = dataset;
  const feeds = columns(dataset, { hidden: [rows, width], weight: [vocab, width] });
  return { forward: { 'Gemm, LogSoftmax': operation(feeds, [product, ...byLogSoftmax], HEAD) } };
}

await serve({
  version: ort.env.versions.node,
  loaders: { token, linear },
  setThreads: (threads) => {
    intraOpNumThreads = threads;
    sessions.clear();
  },
});
