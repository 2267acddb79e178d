import { describe, expect, it } from 'vitest';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import { policyLossSync } from '../../lib/kernels/policy-loss.ts';
import {
  type OracleSequence,
  oracleGradient,
  oracleLoss,
  oracleUnitGradient,
  sequenceLoss,
} from '../oracle/policy-loss.ts';
import { seededRandom } from '../random.ts';
import { expectClose } from './compare.ts';
import { pack, randomSequences } from './sequences.ts';

const SEED = 14403;

const PRESETS: Objective[] = [
  objectives.bcpgNsa(),
  objectives.bcpgNsa({ tau: 0.3, anchor: 'behaviour' }),
  objectives.bcpg({ tau: 0.05, anchor: 'old' }),
  objectives.bcpg({ tau: 0 }),
  objectives.reinforce(),
  objectives.rft(),
  objectives.grpo(),
  objectives.grpo({ clipLow: 0.2, clipHigh: 0.28, anchor: 'behaviour' }),
  objectives.grpo({ clipLow: 0, clipHigh: 0.1, anchor: 'ref' }),
  objectives.grpo({ clipLow: 1, clipHigh: 1e6 }),
  // Terms combine freely: objectives are data.
  { ...objectives.grpo(), name: 'grpo + square', sequenceTerm: { kind: 'square', anchor: 'ref', tau: 0.1 } },
];

function label(objective: Objective): string {
  return `${objective.name} ${JSON.stringify(objective.gate)} ${JSON.stringify(objective.sequenceTerm)}`;
}

/** The counts and sums of `lap_diagnostic`, straight from their descriptions in lapidary.h. */
function oracleDiagnostics(objective: Objective, sequences: OracleSequence[]): Record<string, number> {
  const kept = sequences.map((sequence) => sequence.tokens.filter((token) => token.kept));
  const terms = sequences.map((sequence) => sequenceLoss(objective, sequence));
  const sums: Record<string, number> = { loss: oracleLoss(objective, sequences) };
  const add = (name: string, value: number): void => {
    sums[name] = (sums[name] ?? 0) + value;
  };
  sequences.forEach(({ scale, advantage }, i) => {
    const { policy, constraint, s } = terms[i]!;
    add('policyLoss', scale * policy);
    add('sequenceLoss', scale * constraint);
    add('tokens', kept[i]!.length);
    add('sequences', kept[i]!.length > 0 ? 1 : 0);
    add('sSum', s);
    add('sSquares', s * s);
    for (const token of kept[i]!) {
      if (advantage === 0) continue;
      const group = advantage > 0 ? 'positive' : token.weight === 1 ? 'penalised' : 'relieved';
      add(`${group}Tokens`, 1);
      add(`${group}Logp`, token.logp);
    }
  });
  sums.sMaxAbs = Math.max(0, ...terms.map(({ s }) => Math.abs(s)));
  return sums;
}

describe('policy loss', () => {
  it.each(PRESETS.map((objective) => [label(objective), objective] as const))(
    `agrees with float64: %s (seed ${SEED})`,
    (name, objective) => {
      for (let round = 0; round < 5; round++) {
        const sequences = randomSequences(seededRandom(SEED + round), { count: 40 });
        const { dlogp, diagnostics } = policyLossSync(pack(objective, sequences));
        const close = { absolute: 1e-8, relative: 2e-7 };
        expectClose(`${name} slope`, dlogp.data, oracleGradient(objective, sequences), {
          absolute: 1e-8,
          relative: 1e-6,
        });
        if (objective.gate.kind === 'unit') {
          expectClose(`${name} closed form`, dlogp.data, oracleUnitGradient(objective, sequences), close);
        }
        for (const [diagnostic, expected] of Object.entries(oracleDiagnostics(objective, sequences))) {
          const actual = diagnostics[diagnostic as keyof typeof diagnostics];
          // S and the counts are f64 throughout; sums over tokens begin in f32 lanes.
          const lanes = /loss$|Logp$/i.test(diagnostic);
          const tolerance = lanes ? { absolute: 2e-7, relative: 1e-6 } : { absolute: 1e-10, relative: 1e-12 };
          expectClose(`${name} ${diagnostic}`, [actual], [expected], tolerance);
        }
        expect(diagnostics.gradAbsMax).toBe(Math.max(0, ...dlogp.data.map(Math.abs)));
      }
    },
  );

  it(`counts the tokens that the clip stops (seed ${SEED})`, () => {
    const sequences = randomSequences(seededRandom(SEED), { count: 50 });
    const { diagnostics } = policyLossSync(pack(objectives.grpo({ clipLow: 0.2, clipHigh: 0.3 }), sequences));
    let clipped = 0;
    for (const { advantage, tokens } of sequences) {
      for (const { logp, old, weight, kept } of tokens) {
        if (!kept || advantage * weight === 0) continue;
        const ratio = Math.exp(logp - old);
        if (advantage > 0 ? ratio > 1.3 : ratio < 0.8) clipped += 1;
      }
    }
    expect(clipped).toBeGreaterThan(5);
    expect(diagnostics.clipped).toBe(clipped);
  });

  it('counts the tokens whose push the constraint turns round', () => {
    const token = { logp: -1, old: -1, behaviour: -1, ref: -2, weight: 1, kept: true };
    // S = 3, tau S = 0.3: it overrules A w = 0.2 and 0.1, not 0.4, and agrees with the negative one.
    const sequences = [0.2, 0.1, 0.4, -0.1].map((advantage) => ({
      advantage,
      scale: 1,
      tokens: [token, token, token],
    }));
    const { diagnostics } = policyLossSync(pack(objectives.bcpg({ tau: 0.1 }), sequences));
    expect(diagnostics.constraintReversed).toBe(6);
  });

  it('takes 1 for absent weights and keeps all for an absent mask', () => {
    const sequences = randomSequences(seededRandom(SEED), { count: 9, keep: 1 });
    for (const { tokens } of sequences) for (const token of tokens) token.weight = 1;
    const full = pack(objectives.bcpg(), sequences);
    const { mask: _, tokenWeights: __, ...bare } = full;
    expect(policyLossSync(bare)).toEqual(policyLossSync(full));
  });
});
