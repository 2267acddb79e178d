import { linearLogprobsBackwardSync, linearLogprobsSync, Tensor } from '../../../dist/index.js';
import { readInto } from '../serve.mjs';

/** Operations over hidden states and a head. */
export function linear({ folder, rows, vocab, width, dtype }) {
  const read = (name, type, shape) => {
    const tensor = Tensor.alloc(type, shape);
    readInto(tensor.data, folder, name);
    return tensor;
  };
  const input = {
    hidden: read('hidden', dtype, [rows, width]),
    weight: read('weight', dtype, [vocab, width]),
    targets: read('targets', 'i32', [rows]),
  };
  const dlogp = read('dlogp', 'f32', [rows]);
  const out = { logp: Tensor.alloc('f32', [rows]), lse: Tensor.alloc('f32', [rows]) };
  const dhidden = Tensor.alloc('f32', [rows, width]);
  const dweight = Tensor.alloc('f32', [vocab, width]);

  const forward = () => {
    linearLogprobsSync(input, { out });
    return { logp: out.logp.data };
  };
  const recomputing = (options) => {
    forward();
    return linearLogprobsBackwardSync({ ...input, ...out, dlogp }, options);
  };
  return {
    forward: { 'one call': { run: forward } },
    'forward and backward': {
      'two calls, logits computed twice': {
        run: () => {
          recomputing({ out: { dhidden, dweight } });
          return { logp: out.logp.data, dhidden: dhidden.data, dweight: dweight.data };
        },
        holds: [dhidden.data, dweight.data],
      },
    },
    'forward and backward, frozen head': {
      'two calls, logits computed twice': {
        run: () => {
          recomputing({ out: { dhidden }, frozenHead: true });
          return { logp: out.logp.data, dhidden: dhidden.data };
        },
        holds: [dhidden.data],
      },
    },
  };
}
