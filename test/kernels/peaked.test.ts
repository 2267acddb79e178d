import { describe, expect, it } from 'vitest';
import { tokenLogprobsBackwardSync, tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import { oracleRow, oracleRowGradient } from '../oracle/token-logprobs.ts';
import { floats, ints, type Matrix, matrix, rowOf } from './batches.ts';
import { expectClose, IMPLEMENTATIONS, use } from './compare.ts';

// Trained policies sit here: p close to 1, where 1 - p is lost to a careless subtraction.
const PROBABILITIES = [0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.9999999, 0.99999999, 1 - 1e-12];

/** Row i holds its target at a probability of about PROBABILITIES[i], the rest spread over the others. */
function peakedRows(vocab: number, base: number): { logits: Matrix; targets: number[] } {
  const targets = PROBABILITIES.map((_, i) => (i * 5) % vocab);
  const logits = matrix('f32', PROBABILITIES.length, vocab, (t, v) => {
    const p = PROBABILITIES[t]!;
    return v === targets[t] ? base : base + Math.log((1 - p) / p / (vocab - 1)) + ((v % 7) - 3) / 8;
  });
  return { logits, targets };
}

describe.each(IMPLEMENTATIONS)('peaked rows, %s', (implementation) => {
  it.each([
    [2, 0],
    [23, 0],
    [1000, 12],
    [32000, -30],
  ])('keep the relative precision of logp and of p - 1 at V = %i around a logit of %i', (vocab, base) => {
    use(implementation);
    const { logits, targets } = peakedRows(vocab, base);
    const given = { logits: logits.tensor, targets: ints(targets) };
    const { logp, lse } = tokenLogprobsSync(given);
    const expected = targets.map((target, t) => oracleRow(rowOf(logits, t), target).logp);
    expectClose(`logp V=${vocab}`, logp.data, expected, { relative: 1e-6 });

    const dlogp = floats(targets.map(() => 1));
    const dlogits = tokenLogprobsBackwardSync({ ...given, logp, lse, dlogp });
    const own = targets.map((target, t) => dlogits.data[t * vocab + target]!);
    const ownExpected = targets.map(
      (target, t) => oracleRowGradient(rowOf(logits, t), target, 1, 1)[target]!,
    );
    expectClose(`1 - p V=${vocab}`, own, ownExpected, { relative: 1e-6 });
  });

  it('give rows of the gradient that sum to 0 relative to 1 - p', () => {
    use(implementation);
    const { logits, targets } = peakedRows(1000, 0);
    const given = { logits: logits.tensor, targets: ints(targets) };
    const forward = tokenLogprobsSync(given);
    const dlogits = tokenLogprobsBackwardSync({ ...given, ...forward, dlogp: floats(targets.map(() => 1)) });
    for (let t = 0; t < targets.length; t++) {
      const row = [...dlogits.data.subarray(t * 1000, (t + 1) * 1000)];
      const sum = row.reduce((total, x) => total + x, 0);
      expect(Math.abs(sum), `row ${t}`).toBeLessThan(2e-6 * row[targets[t]!]!);
    }
  });

  it('have entropies with relative precision', () => {
    use(implementation);
    const { logits, targets } = peakedRows(1000, 0);
    const { entropy } = tokenLogprobsSync(
      { logits: logits.tensor, targets: ints(targets) },
      { entropy: true },
    );
    const expected = targets.map((target, t) => oracleRow(rowOf(logits, t), target).entropy);
    expectClose('entropy', entropy!.data, expected, { relative: 2e-6, absolute: 1e-15 });
  });
});
