import { describe, expect, it } from 'vitest';
import type { Objective } from '../../lib/kernels/objectives.ts';
import { policyLossSync } from '../../lib/kernels/policy-loss.ts';
import type { OracleSequence } from '../oracle/policy-loss-batch.ts';
import { familyGradient, familyLoss } from '../oracle/policy-loss-family.ts';
import { oracleObjective } from '../oracle/policy-loss-objective.ts';
import { seededRandom } from '../random.ts';
import { normal } from './batches.ts';
import { expectClose, IMPLEMENTATIONS, use } from './compare.ts';
import { PRESETS, VARIATIONS } from './objective-cases.ts';
import { pack, randomSequences } from './sequences.ts';

const SEED = 91_007;
const ROUNDS = 3;

/** |a - b| / |b|. */
function relativeNorm(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < b.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(size === 0 ? difference : difference / size);
}

/** Lengths 0 to 40, masks, weights and advantages of both signs; drifts from next to nothing to far outside the clip. */
function batch(round: number): OracleSequence[] {
  const options = { count: 24, longest: 40, drift: [0.02, 0.3, 1][round]!, keep: [1, 0.8, 0.5][round]! };
  return randomSequences(seededRandom(SEED + round), options);
}

function compare(what: string, objective: Objective, sequences: OracleSequence[]): void {
  const { dlogp, diagnostics } = policyLossSync(pack(objective, sequences));
  const oracle = oracleObjective(objective);
  const expected = familyGradient(oracle, sequences);
  expect(relativeNorm(dlogp.data, expected), `${what}: |g|`).toBeLessThan(1e-5);
  expectClose(what, dlogp.data, expected, { absolute: 1e-7, relative: 1e-5 });
  const loss = familyLoss(oracle, sequences);
  expectClose(`${what}: loss`, [diagnostics.loss], [loss], { absolute: 1e-7, relative: 1e-6 });
  const { policyLoss, klLoss, sequenceLoss } = diagnostics;
  expectClose(`${what}: parts`, [policyLoss + klLoss + sequenceLoss], [loss], {
    absolute: 1e-7,
    relative: 1e-6,
  });
  const largest = Math.max(0, ...dlogp.data.map(Math.abs));
  expect(diagnostics.gradAbsMax).toBe(largest);
}

describe.each(IMPLEMENTATIONS)('objectives and float64, %s', (implementation) => {
  it.each([...PRESETS, ...VARIATIONS].map((objective) => [objective.name, objective] as const))(
    `%s (seed ${SEED})`,
    (name, objective) => {
      use(implementation);
      for (let round = 0; round < ROUNDS; round++)
        compare(`${name}, round ${round}`, objective, batch(round));
    },
  );

  it.each(PRESETS.map((objective) => [objective.name, objective] as const))(
    `%s with an advantage per token (seed ${SEED})`,
    (name, objective) => {
      use(implementation);
      const random = seededRandom(SEED);
      const sequences = batch(1).map((of) => ({
        ...of,
        advantage: of.advantage || 1, // GMPO cuts by its sign
        tokens: of.tokens.map((token) => ({ ...token, advantage: Math.fround(normal(random)) })),
      }));
      compare(name, objective, sequences);
    },
  );
});
