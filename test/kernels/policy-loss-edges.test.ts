import { describe, expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import { DIAGNOSTICS, policyLossSync } from '../../lib/kernels/policy-loss.ts';
import type { OracleSequence, OracleToken } from '../oracle/policy-loss.ts';
import { seededRandom } from '../random.ts';
import { floats, normal } from './batches.ts';
import { expectSameBits } from './compare.ts';
import { type PackedInput, pack, randomSequences } from './sequences.ts';

const SEED = 2203;
const ALL = [objectives.bcpgNsa(), objectives.reinforce(), objectives.grpo()];
const NOTHING = Object.fromEntries(DIAGNOSTICS.map((name) => [name, 0]));

function token(given: Partial<OracleToken> = {}): OracleToken {
  return { logp: -1, old: -1.5, behaviour: -0.5, ref: -2, weight: 1, kept: true, ...given };
}

function without(given: PackedInput, keep: (t: number) => boolean): PackedInput {
  const indices = [...given.mask!.keys()].filter(keep);
  const pick = (of: { data: Float32Array }) => floats(indices.map((t) => of.data[t]!));
  const cuSeqlens = given.cuSeqlens.map((end) => indices.filter((t) => t < end).length);
  return {
    ...given,
    cuSeqlens,
    mask: Uint8Array.from(indices, () => 1),
    logp: pick(given.logp),
    oldLogp: pick(given.oldLogp!),
    behaviourLogp: pick(given.behaviourLogp!),
    refLogp: pick(given.refLogp!),
    tokenWeights: pick(given.tokenWeights!),
  };
}

describe.each(ALL.map((objective) => [objective.name, objective] as const))(
  'policy loss edges, %s',
  (_, objective) => {
    it('accepts a batch of no sequences, of empty ones, and of masked ones', () => {
      const empty: OracleSequence = { advantage: 1, scale: 1, tokens: [] };
      const masked: OracleSequence = {
        advantage: 1,
        scale: 1,
        tokens: [token({ kept: false }), token({ kept: false })],
      };
      for (const sequences of [[], [empty], [empty, empty, empty], [masked], [empty, masked, empty]]) {
        const { dlogp, diagnostics } = policyLossSync(pack(objective, sequences));
        expect(diagnostics).toEqual(NOTHING);
        expect([...dlogp.data].every((g) => Object.is(g, 0))).toBe(true);
      }
    });

    it(`gives exactly 0 to tokens left out, and to the rest what they get without them (seed ${SEED})`, () => {
      const given = pack(objective, randomSequences(seededRandom(SEED), { count: 60, keep: 0.6 }));
      const result = policyLossSync(given);
      const rest = policyLossSync(without(given, (t) => given.mask![t] === 1));
      const kept = result.dlogp.data.filter((_g, t) => given.mask![t] === 1);
      const left = result.dlogp.data.filter((_g, t) => given.mask![t] === 0);
      expect(left.length).toBeGreaterThan(20);
      expect([...left].every((g) => Object.is(g, 0))).toBe(true);
      expectSameBits('kept tokens', kept, rest.dlogp.data);
      expect(result.diagnostics).toEqual(rest.diagnostics);
      expect(Object.values(result.diagnostics).every(Number.isFinite)).toBe(true);
    });

    it('takes any non-zero mask byte as kept', () => {
      const given = pack(objective, [{ advantage: 1, scale: 1, tokens: [token(), token(), token()] }]);
      const plain = policyLossSync(given);
      expect(policyLossSync({ ...given, mask: Uint8Array.of(255, 2, 128) })).toEqual(plain);
    });

    it('overwrites whatever the output held', () => {
      const given = pack(objective, [
        { advantage: 1, scale: 0.5, tokens: [token(), token({ kept: false })] },
      ]);
      const dlogp = floats([Number.NaN, Number.NaN]);
      expect(policyLossSync({ ...given, dlogp }).dlogp).toBe(dlogp);
      expectSameBits('dlogp', dlogp.data, policyLossSync(given).dlogp.data);
    });

    it('has no policy gradient at A = 0 or w = 0, even where logp is -inf', () => {
      const still = { ...objective, sequenceTerm: null };
      const hopeless = token({ logp: -Infinity, old: -Infinity });
      const zeroWeight = token({ logp: -Infinity, weight: 0 });
      const { dlogp, diagnostics } = policyLossSync(
        pack(still, [
          { advantage: 0, scale: 1, tokens: [token(), hopeless] },
          { advantage: -1, scale: 1, tokens: [zeroWeight] },
        ]),
      );
      expect([...dlogp.data].map(Math.abs)).toEqual([0, 0, 0]);
      expect(diagnostics.loss).toBe(0);
    });
  },
);

describe('behaviour constraint', () => {
  it(`has S exactly 0 where the policy is its reference (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    const sequences = Array.from({ length: 30 }, () => ({
      advantage: 1,
      scale: 1,
      tokens: Array.from({ length: 500 }, () => {
        const logp = Math.fround(-20 * random.next());
        return token({ logp, ref: logp });
      }),
    }));
    const { diagnostics, dlogp } = policyLossSync(pack(objectives.bcpg({ tau: 1e6 }), sequences));
    expect([diagnostics.sSum, diagnostics.sSquares, diagnostics.sMaxAbs]).toEqual([0, 0, 0]);
    expect([...new Set(dlogp.data)]).toEqual([-1]);
  });

  it(`keeps S where it is tiny against the sums it is made of (seed ${SEED})`, () => {
    const random = seededRandom(SEED);
    let s = 0;
    const tokens = Array.from({ length: 32768 }, () => {
      const logp = Math.fround(-5 * random.next());
      const ref = Math.fround(logp - 1e-3 * normal(random));
      s += logp - ref;
      return token({ logp, ref });
    });
    const { diagnostics } = policyLossSync(pack(objectives.bcpg(), [{ advantage: 0, scale: 1, tokens }]));
    expect(Math.abs(diagnostics.sSum - s)).toBeLessThan(1e-9);
  });

  it('acts at A = 0', () => {
    const sequences = [{ advantage: 0, scale: 0.5, tokens: [token(), token()] }];
    const { dlogp } = policyLossSync(pack(objectives.bcpg({ tau: 0.25 }), sequences));
    expect([...dlogp.data]).toEqual([0.25, 0.25]); // N tau S = 0.5 * 0.25 * 2
  });
});

describe('clipped surrogate', () => {
  it('counts log-ratios beyond +-20, stays finite and stops their gradient', () => {
    const far = [
      token({ logp: -1, old: -90 }),
      token({ logp: -90, old: -1 }),
      token({ logp: -1, old: -21.5 }),
    ];
    const wide = objectives.grpo({ clipLow: 1, clipHigh: 1e30 });
    for (const advantage of [1, -1]) {
      const { dlogp, diagnostics } = policyLossSync(pack(wide, [{ advantage, scale: 1, tokens: far }]));
      expect(diagnostics.ratioOverflow).toBe(3);
      expect([...dlogp.data].map(Math.abs)).toEqual([0, 0, 0]);
      const loss = -advantage * (2 * Math.exp(20) + Math.exp(-20));
      expect(Math.abs(diagnostics.loss / loss - 1)).toBeLessThan(3e-7);
    }
  });

  it('at ratio 1 has the gradient of REINFORCE', () => {
    const tokens = [token({ old: -1 }), token({ logp: -7, old: -7 })];
    for (const advantage of [0.3, -0.3]) {
      const sequences = [{ advantage, scale: 1, tokens }];
      const clipped = policyLossSync(pack(objectives.grpo(), sequences));
      expectSameBits(
        'dlogp',
        clipped.dlogp.data,
        policyLossSync(pack(objectives.reinforce(), sequences)).dlogp.data,
      );
    }
  });
});
