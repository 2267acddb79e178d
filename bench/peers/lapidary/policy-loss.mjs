import { objectives, policyLossSync, Tensor } from '../../../dist/index.js';
import { readInto } from '../serve.mjs';

/** The policy loss and its gradient over one packed batch, by objective. */
export function policyLoss({ folder, tokens, sequences }) {
  const read = (name, length) => {
    const tensor = Tensor.alloc('f32', [length]);
    readInto(tensor.data, folder, name);
    return tensor;
  };
  const common = {
    cuSeqlens: readInto(new Float64Array(sequences + 1), folder, 'cuSeqlens'),
    logp: read('logp', tokens),
    advantages: read('advantages', sequences),
    seqScale: read('seqScale', sequences),
    dlogp: Tensor.alloc('f32', [tokens]),
  };
  const refLogp = read('refLogp', tokens);
  const oldLogp = read('oldLogp', tokens);
  const tokenWeights = read('tokenWeights', tokens);
  const operation = (objective, columns) => ({
    'one call': {
      run: () => {
        const { dlogp, diagnostics } = policyLossSync({ objective, ...common, ...columns });
        return { loss: Float64Array.of(diagnostics.loss), dlogp: dlogp.data };
      },
      holds: [common.dlogp.data],
    },
  });
  return {
    'BCPG-NSA': operation(objectives.bcpgNsa({ tau: 1e-3 }), { refLogp, tokenWeights }),
    'GRPO without KL': operation(objectives.grpo(), { oldLogp }),
    'GRPO with k3': operation(objectives.grpo({ kl: { kind: 'k3', coefficient: 0.04 } }), {
      oldLogp,
      refLogp,
    }),
  };
}
