import { describe, expect, it } from 'vitest';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import { policyLossSync } from '../../lib/kernels/policy-loss.ts';
import type { OracleSequence } from '../oracle/policy-loss-batch.ts';
import { familyGradient, familyLoss } from '../oracle/policy-loss-family.ts';
import { oracleObjective } from '../oracle/policy-loss-objective.ts';
import { seededRandom } from '../random.ts';
import { expectClose, IMPLEMENTATIONS, use } from './compare.ts';
import { pack, randomSequences } from './sequences.ts';

const SEED = 91_007;
const ROUNDS = 3;

const PRESETS: Objective[] = Object.values(objectives).map((preset) => preset());

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

describe.each(IMPLEMENTATIONS)('presets and float64, %s', (implementation) => {
  it.each(PRESETS.map((objective) => [objective.name, objective] as const))(
    `%s (seed ${SEED})`,
    (name, objective) => {
      use(implementation);
      for (let round = 0; round < ROUNDS; round++) {
        const sequences = batch(round);
        const { dlogp, diagnostics } = policyLossSync(pack(objective, sequences));
        const oracle = oracleObjective(objective);
        const expected = familyGradient(oracle, sequences);
        expect(relativeNorm(dlogp.data, expected), `${name}, round ${round}: |g|`).toBeLessThan(1e-5);
        expectClose(`${name}, round ${round}`, dlogp.data, expected, { absolute: 1e-8, relative: 1e-5 });
        const loss = familyLoss(oracle, sequences);
        expectClose(`${name} loss`, [diagnostics.loss], [loss], { absolute: 1e-8, relative: 1e-6 });
        const largest = Math.max(0, ...dlogp.data.map(Math.abs));
        expect(diagnostics.gradAbsMax).toBe(largest);
      }
    },
  );
});
