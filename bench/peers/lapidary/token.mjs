import {
  divergenceSync,
  Tensor,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
  tokenLogprobsWithGradientSync,
} from '../../../dist/index.js';
import { readInto } from '../serve.mjs';

/** Operations over logits. Outputs are made once and reused, as a training loop does. */
export function token({ folder, rows, vocab, dtype }) {
  const read = (name, type, shape) => {
    const tensor = Tensor.alloc(type, shape);
    readInto(tensor.data, folder, name);
    return tensor;
  };
  const logits = read('logits', dtype, [rows, vocab]);
  const targets = read('targets', 'i32', [rows]);
  const dlogp = read('dlogp', 'f32', [rows]);
  const column = () => Tensor.alloc('f32', [rows]);
  const out = { logp: column(), lse: column() };
  const outWithEntropy = { ...out, entropy: column() };
  const dlogits = Tensor.alloc(dtype, [rows, vocab]);
  const teacher = read('teacher', dtype, [rows, vocab]);
  const value = column();
  const restore = () => readInto(logits.data, folder, 'logits');

  const backward = (place) => {
    tokenLogprobsSync({ logits, targets }, { out });
    tokenLogprobsBackwardSync({ logits, targets, ...out, dlogp, dlogits: place });
    return { logp: out.logp.data, dlogits: place.data };
  };
  const withGradient = (place) => {
    tokenLogprobsWithGradientSync({ logits, targets, rowWeights: dlogp, dlogits: place }, { out });
    return { logp: out.logp.data, dlogits: place.data };
  };
  return {
    forward: {
      'one call': {
        run: () => {
          tokenLogprobsSync({ logits, targets }, { out });
          return { logp: out.logp.data };
        },
      },
    },
    'forward with entropy': {
      'one call': {
        run: () => {
          tokenLogprobsSync({ logits, targets }, { out: outWithEntropy });
          return { logp: out.logp.data, entropy: outWithEntropy.entropy.data };
        },
      },
    },
    divergence: {
      'one call': {
        run: () => ({
          divergence: divergenceSync('forward-kl', { student: logits, teacher }, { out: value }).data,
        }),
      },
    },
    'forward and backward': {
      'one call': { run: () => withGradient(dlogits), holds: [dlogits.data] },
      'one call, in place': { run: () => withGradient(logits), restore },
      'two calls': { run: () => backward(dlogits), holds: [dlogits.data] },
      'two calls, in place': { run: () => backward(logits), restore },
    },
  };
}
