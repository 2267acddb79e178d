import { describe, expect, it } from 'vitest';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import { type PolicyLossResult, policyLossSync } from '../../lib/kernels/policy-loss.ts';
import type { OracleSequence, OracleToken } from '../oracle/policy-loss-batch.ts';
import { familyGradient, familyLoss } from '../oracle/policy-loss-family.ts';
import { oracleObjective } from '../oracle/policy-loss-objective.ts';
import { seededRandom } from '../random.ts';
import { expectClose, expectSameBits, IMPLEMENTATIONS, use } from './compare.ts';
import { type PackedInput, pack, randomToken } from './sequences.ts';

const SEED = 70_221;
const K3 = { kind: 'k3', coefficient: 0.04 } as const;
const OBJECTIVES = [
  objectives.bcpgNsa({ tau: 1e-3 }),
  objectives.reinforce(),
  objectives.reinforce({ kl: { kind: 'k1', coefficient: 0.1 } }),
  objectives.reinforce({ kl: { kind: 'k2', coefficient: 0.1 } }),
  objectives.grpo(),
  objectives.grpo({ kl: K3 }),
  objectives.ppo({ dualClip: 1.5, kl: K3 }),
  objectives.cispo(),
  objectives.cispo({ kl: K3 }),
].map((objective, i) => [`${objective.name} (${i})`, objective] as const);

/** Sequences of one block and a bit, of a pair of eights, and of tails; both signs of A, and 0. */
function longSequences(change: (token: OracleToken) => OracleToken): OracleSequence[] {
  const random = seededRandom(SEED);
  return [560, 533, 47, 24, 9].map((length, i) => ({
    advantage: [0.7, -0.4, -1.1, 0.3, 0][i]!,
    scale: 0.01,
    tokens: Array.from({ length }, () => change(randomToken(random, 0.3, 1))),
  }));
}

const unweighted = longSequences((token) => ({ ...token, weight: 1 }));
const weighted = longSequences((token) => token);

function withoutMask(given: PackedInput, weights: boolean): PackedInput {
  const { mask, tokenWeights, ...rest } = given;
  return weights ? { ...rest, tokenWeights: tokenWeights! } : rest;
}

const known = new Map<string, { gradient: number[]; loss: number }>();

/** Of a batch, by float64; `what` names both, and each is computed once. */
function oracleOf(what: string, objective: Objective, of: OracleSequence[]) {
  const oracle = oracleObjective(objective);
  const found = known.get(what) ?? { gradient: familyGradient(oracle, of), loss: familyLoss(oracle, of) };
  known.set(what, found);
  return found;
}

function expectOracle(what: string, objective: Objective, of: OracleSequence[], got: PolicyLossResult) {
  const { gradient, loss } = oracleOf(what, objective, of);
  expectClose(`${what}: dlogp`, got.dlogp.data, gradient, { absolute: 2e-7, relative: 1e-5 });
  expectClose(`${what}: loss`, [got.diagnostics.loss], [loss], { absolute: 1e-5, relative: 1e-6 });
}

/** The batch of one sequence whose token 100, in the middle of a block, is another. */
function withOdd(odd: Partial<OracleToken>): OracleSequence[] {
  const plain = { logp: -1, old: -1.1, behaviour: -1, ref: -1.2, weight: 1, kept: true };
  const tokens = Array.from({ length: 200 }, (_, t) => ({ ...plain, ...(t === 100 && odd) }));
  return [{ advantage: 0.7, scale: 0.5, tokens }];
}

describe.each(IMPLEMENTATIONS)('long rows, %s', (implementation) => {
  describe.each(OBJECTIVES)(`%s (seed ${SEED})`, (name, objective) => {
    it.each([
      ['without weights', unweighted, false],
      ['with weights', weighted, true],
    ] as const)('without a mask, %s: float64, and the bits of a mask of ones', (form, sequences, weights) => {
      use(implementation);
      const given = pack(objective, sequences);
      const got = policyLossSync(withoutMask(given, weights));
      expectOracle(`${name}, ${form}`, objective, sequences, got);
      const masked = policyLossSync(given);
      expectSameBits('dlogp', got.dlogp.data, masked.dlogp.data);
      expect(got.diagnostics).toEqual(masked.diagnostics);
    });
  });

  it.each([false, true])('counts a log-ratio beyond +-20 in the middle of a block, weights %s', (weights) => {
    use(implementation);
    const wide = objectives.grpo({ clipLow: 1, clipHigh: 1e30 });
    const near = policyLossSync(withoutMask(pack(wide, withOdd({})), weights));
    for (const odd of [{ old: -25 }, { logp: -30, old: -1 }]) {
      const far = policyLossSync(withoutMask(pack(wide, withOdd(odd)), weights));
      expect(far.diagnostics.ratioOverflow).toBe(1);
      expect(near.diagnostics.ratioOverflow).toBe(0);
      const expected = near.dlogp.data.map((g, t) => (t === 100 ? 0 : g));
      expect([...far.dlogp.data].map((g) => g + 0)).toEqual([...expected]);
    }
  });

  it('has k3 right up to where e^-delta overflows, and infinite beyond', () => {
    use(implementation);
    const objective = objectives.grpo({ kl: { kind: 'k3', coefficient: 1e-30 } });
    for (const delta of [60, 85, 88, 88.3, 88.5, 88.7]) {
      const of = withOdd({ logp: -Math.fround(delta), old: -Math.fround(delta), ref: 0 });
      const { dlogp } = policyLossSync(withoutMask(pack(objective, of), false));
      const [expected, actual] = [familyGradient(oracleObjective(objective), of)[100]!, dlogp.data[100]!];
      expect(Math.abs(actual / expected - 1), `delta ${delta}`).toBeLessThan(3e-5);
    }
    const far = policyLossSync(withoutMask(pack(objective, withOdd({ logp: -95, old: -95, ref: 0 })), false));
    expect(far.dlogp.data[100]).toBe(-Infinity);
    expect(far.diagnostics.nonFinite).toBe(1);
    expect(far.diagnostics.gradAbsMax).toBe(Infinity);
    for (const delta of [-50, -85, -87, -200]) {
      const of = withOdd({ logp: 0, old: 0, ref: delta });
      const got = policyLossSync(withoutMask(pack(objectives.grpo({ kl: K3 }), of), false));
      expectOracle(`delta ${-delta}`, objectives.grpo({ kl: K3 }), of, got);
    }
  });

  it('shows a NaN in the gradient and counts it', () => {
    use(implementation);
    for (const objective of [objectives.grpo({ kl: K3 }), objectives.cispo(), objectives.bcpgNsa()]) {
      const odd = objective.name === 'bcpgNsa' ? { weight: Number.NaN } : { logp: Number.NaN };
      const given = withoutMask(pack(objective, withOdd(odd)), objective.name === 'bcpgNsa');
      const { dlogp, diagnostics } = policyLossSync(given);
      expect(dlogp.data[100]).toBeNaN();
      expect(diagnostics.nonFinite).toBe(1);
      expect(Number.isFinite(diagnostics.gradAbsMax)).toBe(true);
    }
  });
});
