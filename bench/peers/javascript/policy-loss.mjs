import { readInto } from '../serve.mjs';

export function policyLoss({ folder, tokens, sequences }) {
  const read = (name, length) => readInto(new Float32Array(length), folder, name);
  const [logp, oldLogp, refLogp, weights] = ['logp', 'oldLogp', 'refLogp', 'tokenWeights'].map((name) =>
    read(name, tokens),
  );
  const [advantages, seqScale] = ['advantages', 'seqScale'].map((name) => read(name, sequences));
  const cuSeqlens = readInto(new Float64Array(sequences + 1), folder, 'cuSeqlens');
  const dlogp = new Float32Array(tokens);
  const loss = new Float64Array(1);

  const bcpgNsa = () => {
    loss[0] = 0;
    for (let i = 0; i < sequences; i++) {
      const [begin, end] = [cuSeqlens[i], cuSeqlens[i + 1]];
      let s = 0;
      for (let t = begin; t < end; t++) s += logp[t] - refLogp[t];
      const pull = 1e-3 * s;
      let policy = 0;
      for (let t = begin; t < end; t++) {
        const a = weights[t] * advantages[i];
        policy -= a * logp[t];
        dlogp[t] = seqScale[i] * (pull - a);
      }
      loss[0] += seqScale[i] * (policy + 0.5 * pull * s);
    }
    return { loss, dlogp };
  };
  const grpo = (kl) => () => {
    loss[0] = 0;
    for (let i = 0; i < sequences; i++) {
      const a = advantages[i];
      let sum = 0;
      for (let t = cuSeqlens[i]; t < cuSeqlens[i + 1]; t++) {
        const rho = Math.exp(logp[t] - oldLogp[t]);
        const plain = rho * a;
        const clipped = Math.min(Math.max(rho, 0.8), 1.2) * a;
        let g = plain <= clipped ? -plain : 0;
        sum -= Math.min(plain, clipped);
        if (kl > 0) {
          const gap = refLogp[t] - logp[t];
          const ratio = Math.exp(gap);
          sum += kl * (ratio - gap - 1);
          g += kl * (1 - ratio);
        }
        dlogp[t] = seqScale[i] * g;
      }
      loss[0] += seqScale[i] * sum;
    }
    return { loss, dlogp };
  };
  const operation = (run) => ({ loops: { run, holds: [dlogp] } });
  return {
    'BCPG-NSA': operation(bcpgNsa),
    'GRPO without KL': operation(grpo(0)),
    'GRPO with k3': operation(grpo(0.04)),
  };
}
