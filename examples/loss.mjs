// Log-probs, a BCPG-NSA loss and its gradient back to the logits: node examples/loss.mjs
import {
  objectives,
  policyLoss,
  sequenceScales,
  Tensor,
  tokenLogprobs,
  tokenLogprobsBackward,
} from 'lapidary';

// Two responses of three tokens over a vocabulary of four.
const logits = Tensor.from(
  'f32',
  Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
  [6, 4],
);
const targets = Tensor.from('i32', Int32Array.of(0, 1, 2, 3, 0, 1));
const { logp, lse, entropy } = await tokenLogprobs({ logits, targets }, { entropy: true });

const { dlogp, diagnostics } = await policyLoss({
  objective: objectives.bcpgNsa({ tau: 0.1 }),
  cuSeqlens: Int32Array.of(0, 3, 6),
  logp,
  refLogp: logp, // the policy is its own reference here, so S = 0
  advantages: Tensor.from('f32', Float32Array.of(0.5, -0.5)), // the second response is wrong …
  tokenWeights: Tensor.from('f32', Float32Array.of(1, 1, 1, 0.5, 0.5, 1)), // … but its first step is right
  seqScale: sequenceScales('seq-mean-token-mean', [3, 3]),
});
const dlogits = await tokenLogprobsBackward({ logits, targets, logp, lse, dlogp });

console.log('log-probs', [...logp.data].map((x) => x.toFixed(3)).join(' '));
console.log('entropy  ', [...entropy.data].map((x) => x.toFixed(3)).join(' '));
console.log(
  'loss',
  diagnostics.loss.toFixed(4),
  ' dL/dlogp',
  [...dlogp.data].map((x) => x.toFixed(4)).join(' '),
);
console.log('dlogits [6, 4], first row', [...dlogits.data.slice(0, 4)].map((x) => x.toFixed(4)).join(' '));
