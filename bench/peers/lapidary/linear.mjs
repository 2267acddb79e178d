import {
  keptLogits,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
  linearLogprobsWithGradientSync,
  linearPolicyLossSync,
  objectives,
  policyLossSync,
  Tensor,
} from '../../../dist/index.js';
import { readInto } from '../serve.mjs';

/** Operations over hidden states and a head. */
export function linear({ folder, rows, vocab, width, sequences, dtype }) {
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
  const fromSequences = Tensor.alloc('f32', [rows]);
  const batch = {
    objective: objectives.bcpgNsa({ tau: 1e-3 }),
    cuSeqlens: readInto(new Float64Array(sequences + 1), folder, 'cuSeqlens'),
    refLogp: read('refLogp', 'f32', [rows]),
    tokenWeights: read('tokenWeights', 'f32', [rows]),
    advantages: read('advantages', 'f32', [sequences]),
    seqScale: read('seqScale', 'f32', [sequences]),
  };

  const forward = () => {
    linearLogprobsSync(input, { out });
    return { logp: out.logp.data };
  };
  const backward = (gradient, options) =>
    linearLogprobsBackwardSync({ ...input, ...out, dlogp: gradient }, options);
  const outputs = { dhidden, dweight };
  // 56 MiB at V = 151,936, within the 64 MiB that are the default; and 241 MiB, within the 256 MiB that are the
  // default for whole sequences.
  const few = keptLogits(Math.min(96, rows), vocab);
  const many = keptLogits(Math.min(416, rows), vocab);
  const withGradient = (kept, frozenHead) =>
    linearLogprobsWithGradientSync(
      { ...input, rowWeights: dlogp },
      { kept, frozenHead, out: { ...out, dhidden, ...(frozenHead ? {} : { dweight }) } },
    );
  const all = () => ({ logp: out.logp.data, dhidden: dhidden.data, dweight: dweight.data });
  return {
    forward: { 'one call': { run: forward } },
    'forward and backward': {
      'one call, logits kept by 96 rows': {
        run: () => {
          withGradient(few, false);
          return all();
        },
        holds: [dhidden.data, dweight.data, few.data],
      },
      'one call, logits kept by 416 rows': {
        run: () => {
          withGradient(many, false);
          return all();
        },
        holds: [dhidden.data, dweight.data, many.data],
      },
      'two calls, logits computed twice': {
        run: () => {
          forward();
          backward(dlogp, { out: outputs });
          return all();
        },
        holds: [dhidden.data, dweight.data],
      },
    },
    'forward and backward, weights from S': {
      'one call, logits kept by sequences of up to 416 rows': {
        run: () => {
          const places = { logp: out.logp, dlogp: fromSequences, ...outputs };
          linearPolicyLossSync({ ...input, ...batch }, { kept: many, out: places });
          return all();
        },
        holds: [dhidden.data, dweight.data, many.data],
      },
      'three calls, logits computed twice': {
        run: () => {
          forward();
          policyLossSync({ ...batch, logp: out.logp, dlogp: fromSequences });
          backward(fromSequences, { out: outputs });
          return all();
        },
        holds: [dhidden.data, dweight.data],
      },
    },
    'forward and backward, frozen head': {
      'one call, logits kept by 96 rows': {
        run: () => {
          withGradient(few, true);
          return { logp: out.logp.data, dhidden: dhidden.data };
        },
        holds: [dhidden.data, few.data],
      },
      'two calls, logits computed twice': {
        run: () => {
          forward();
          backward(dlogp, { out: { dhidden }, frozenHead: true });
          return { logp: out.logp.data, dhidden: dhidden.data };
        },
        holds: [dhidden.data],
      },
    },
  };
}
