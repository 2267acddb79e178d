// Losses over packed tokens: every f32 column an objective needs is read once and the gradient written once.

const OBJECTIVES = {
  'BCPG-NSA': { columns: 3, exps: 0 }, // logp, reference, weights
  'GRPO without KL': { columns: 2, exps: 1 }, // logp, old
  'GRPO with k3': { columns: 3, exps: 2 }, // logp, old, reference
};

export function policyLossCases({ tokens, sequences }) {
  const dataset = { family: 'policy-loss', tokens, sequences };
  return Object.entries(OBJECTIVES).map(([operation, { columns, exps }]) => ({
    ...{ dataset, operation, inputs: 'f32', budget: 1, everyThreadCount: true },
    work: { read: 4 * columns * tokens, write: 4 * tokens, exps: exps * tokens },
    check: { loss: { relative: 1e-3 }, dlogp: { relative: 1e-4 } },
  }));
}
