import {
  objectives,
  policyLoss,
  sequenceScales,
  Tensor,
  tokenLogprobs,
  tokenLogprobsBackward,
} from 'lapidary';

const f32 = (values, shape) => Tensor.from('f32', Float32Array.from(values), shape);
const numbers = Array.from({ length: 24 }, (_, i) => Math.sin(i));
const logits = f32(numbers, [6, 4]); // two responses of three tokens, a vocabulary of four
const targets = Tensor.from('i32', Int32Array.of(0, 1, 2, 3, 0, 1));
const { logp, lse } = await tokenLogprobs({ logits, targets });
const { dlogp, diagnostics } = await policyLoss({
  objective: objectives.bcpgNsa({ tau: 0.1 }),
  cuSeqlens: Int32Array.of(0, 3, 6),
  logp,
  refLogp: logp, // the policy is its own reference here, so S = 0
  advantages: f32([0.5, -0.5]), // the second response is wrong ...
  tokenWeights: f32([1, 1, 1, 0.5, 0.5, 1]), // ... but its first step is right
  seqScale: sequenceScales('seq-mean-token-mean', [3, 3]),
});
const dlogits = await tokenLogprobsBackward({ logits, targets, logp, lse, dlogp });
console.log('loss', diagnostics.loss, 'dL/dlogp', dlogp.data, 'dlogits', dlogits.data);
