import { readInto } from '../serve.mjs';

/** Two passes a row: the maximum, then the exponentials. f32 only. */
export function token({ folder, rows, vocab, dtype }) {
  if (dtype !== 'f32') return {};
  const logits = readInto(new Float32Array(rows * vocab), folder, 'logits');
  const targets = readInto(new Int32Array(rows), folder, 'targets');
  const dlogp = readInto(new Float32Array(rows), folder, 'dlogp');
  const logp = new Float32Array(rows);
  const entropy = new Float32Array(rows);
  const dlogits = new Float32Array(rows * vocab);

  const maximum = (begin) => {
    let top = -Infinity;
    for (let i = begin; i < begin + vocab; i++) if (logits[i] > top) top = logits[i];
    return top;
  };
  const forward = () => {
    for (let t = 0, begin = 0; t < rows; t++, begin += vocab) {
      const top = maximum(begin);
      let sum = 0;
      for (let i = begin; i < begin + vocab; i++) sum += Math.exp(logits[i] - top);
      logp[t] = logits[begin + targets[t]] - top - Math.log(sum);
    }
    return { logp };
  };
  const withEntropy = () => {
    for (let t = 0, begin = 0; t < rows; t++, begin += vocab) {
      const top = maximum(begin);
      let sum = 0;
      let weighted = 0;
      for (let i = begin; i < begin + vocab; i++) {
        const z = logits[i] - top;
        const e = Math.exp(z);
        sum += e;
        weighted += e * z;
      }
      logp[t] = logits[begin + targets[t]] - top - Math.log(sum);
      entropy[t] = Math.log(sum) - weighted / sum;
    }
    return { logp, entropy };
  };
  const backward = () => {
    for (let t = 0, begin = 0; t < rows; t++, begin += vocab) {
      const top = maximum(begin);
      let sum = 0;
      for (let i = begin; i < begin + vocab; i++) {
        const e = Math.exp(logits[i] - top);
        dlogits[i] = e;
        sum += e;
      }
      const factor = -dlogp[t] / sum;
      for (let i = begin; i < begin + vocab; i++) dlogits[i] *= factor;
      dlogits[begin + targets[t]] += dlogp[t];
      logp[t] = logits[begin + targets[t]] - top - Math.log(sum);
    }
    return { logp, dlogits };
  };
  return {
    forward: { loops: { run: forward } },
    'forward with entropy': { loops: { run: withEntropy } },
    'forward and backward': { loops: { run: backward, holds: [dlogits] } },
  };
}
