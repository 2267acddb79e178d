import { describe, it } from 'vitest';
import { advantages } from '../../lib/kernels/advantages.ts';
import type { Tensor } from '../../lib/kernels/tensor.ts';
import { seededRandom } from '../random.ts';
import { normal } from './batches.ts';
import { expectClose } from './compare.ts';

const SEED = 20_402;

interface Batch {
  rewards: number[];
  groups: number[];
  lengths: number[];
}

function randomBatch(seed: number): Batch {
  const random = seededRandom(seed);
  const count = random.int(2, 40);
  const pickEach = <T>(make: () => T) => Array.from({ length: count }, make);
  return {
    rewards: pickEach(() => normal(random)),
    groups: pickEach(() => random.int(0, 7)),
    lengths: pickEach(() => random.int(0, 50)),
  };
}

type Estimator = (batch: Batch) => Tensor<'f32'>;
const ESTIMATORS: Record<string, Estimator> = {
  groupMean: ({ rewards, groups }) => advantages.groupMean(rewards, groups),
  groupMeanStd: ({ rewards, groups }) => advantages.groupMeanStd(rewards, groups),
  leaveOneOut: ({ rewards, groups }) => advantages.leaveOneOut(rewards, groups),
  opo: ({ rewards, groups, lengths }) => advantages.opo(rewards, groups, lengths),
  logMeanExpBaseline: ({ rewards, groups }) => advantages.logMeanExpBaseline(rewards, groups, { tau: 0.3 }),
  ploo: ({ rewards, groups }) => advantages.ploo(rewards, groups, { tau: 0.3 }),
  asymRe: ({ rewards, groups }) => advantages.asymRe(rewards, groups),
  passAtK: ({ rewards, groups }) => advantages.passAtK(rewards, groups),
  whiten: ({ rewards, lengths }) => advantages.whiten(rewards, { lengths }),
  gdpo: ({ rewards, groups, lengths }) =>
    advantages.gdpo([rewards, rewards.map((r) => r * r)], groups, { lengths }),
};
const SHIFT_FREE = [
  'groupMean',
  'groupMeanStd',
  'leaveOneOut',
  'opo',
  'logMeanExpBaseline',
  'ploo',
  'asymRe',
];

describe.each(Object.entries(ESTIMATORS))('advantages, %s', (name, estimate) => {
  it(`follow the responses when the batch is permuted (seed ${SEED})`, () => {
    for (let round = 0; round < 30; round++) {
      const batch = randomBatch(SEED + round);
      const order = batch.rewards.map((_, i) => i);
      const random = seededRandom(SEED + 1000 + round);
      for (let i = order.length - 1; i > 0; i--) {
        const j = random.int(0, i);
        [order[i], order[j]] = [order[j]!, order[i]!];
      }
      const permute = (values: number[]) => order.map((i) => values[i]!);
      const permuted = estimate({
        rewards: permute(batch.rewards),
        groups: permute(batch.groups),
        lengths: permute(batch.lengths),
      });
      const expected = permute([...estimate(batch).data]);
      expectClose(name, permuted.data, expected, { absolute: 1e-6, relative: 1e-6 });
    }
  });
});

describe('advantages of groups', () => {
  it.each(SHIFT_FREE)(`do not see a constant added to all rewards: %s (seed ${SEED})`, (name) => {
    for (let round = 0; round < 30; round++) {
      // Under OPO a group of no tokens has no baseline, so each response gets one.
      const batch = randomBatch(SEED + round);
      const lengths = batch.lengths.map((n) => n + 1);
      const shifted = ESTIMATORS[name]!({ ...batch, lengths, rewards: batch.rewards.map((r) => r + 2.5) });
      expectClose(name, shifted.data, ESTIMATORS[name]!({ ...batch, lengths }).data, {
        absolute: 3e-6,
        relative: 1e-5,
      });
    }
  });

  it(`sum to 0 over a group; OPO's do with their lengths (seed ${SEED})`, () => {
    for (let round = 0; round < 30; round++) {
      const batch = randomBatch(SEED + round);
      const sums = (of: Tensor<'f32'>, weights?: number[]) => {
        const totals = new Map<number, number>();
        batch.groups.forEach((id, i) => {
          totals.set(id, (totals.get(id) ?? 0) + of.data[i]! * (weights?.[i] ?? 1));
        });
        return [...totals.values()];
      };
      for (const name of ['groupMean', 'groupMeanStd', 'leaveOneOut']) {
        const totals = sums(ESTIMATORS[name]!(batch));
        expectClose(
          name,
          totals,
          totals.map(() => 0),
          { absolute: 1e-5 },
        );
      }
      const weighted = sums(ESTIMATORS.opo!(batch), batch.lengths);
      expectClose(
        'opo',
        weighted,
        weighted.map(() => 0),
        { absolute: 1e-4 },
      );
    }
  });
});
