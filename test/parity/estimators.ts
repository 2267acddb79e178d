import { advantages } from '../../lib/kernels/advantages.ts';
import { generalisedAdvantages } from '../../lib/kernels/gae.ts';
import type { Tensor } from '../../lib/kernels/tensor.ts';
import type { EstimatorCases, Reference } from './manifest.ts';

/** verl and OpenKimi let a response alone in its group keep its reward. */
const ALONE = { singleton: 'reward' } as const;

/** What the library's estimators give for the rewards of the manifest, by the names there. */
export function estimates(reference: Reference, given: EstimatorCases): Record<string, () => Tensor<'f32'>> {
  const rewards = reference.array(given.rewards, 'f');
  const second = reference.array(given.second, 'f');
  const groups = reference.array(given.groups, 'i');
  const lengths = reference.array(given.lengths, 'i');
  const mean = () => advantages.groupMean(rewards, groups, ALONE);
  return {
    groupMean: mean,
    groupMeanStd: () => advantages.groupMeanStd(rewards, groups, { ...ALONE, epsilon: 1e-6 }),
    leaveOneOut: () => advantages.leaveOneOut(rewards, groups, ALONE),
    opo: () => advantages.opo(rewards, groups, lengths, ALONE),
    passAtK: () => advantages.passAtK(rewards, groups, { ...ALONE, epsilon: 1e-6 }),
    remax: () => advantages.remax(rewards, second),
    whiten: () => advantages.whiten(rewards, { lengths }),
    'whiten of groupMean': () => advantages.whiten(mean().data, { lengths }),
    gdpo: () => advantages.gdpo([rewards, second], groups, { ...ALONE, weights: [1, 0.5], lengths }),
    ploo: () => advantages.ploo(rewards, groups, { ...ALONE, tau: 0.2 }),
    generalisedAdvantages: () =>
      generalisedAdvantages({
        rewards,
        values: second,
        cuSeqlens: reference.array(given.cuSeqlens, 'i'),
        mask: reference.array(given.mask, 'B'),
        gamma: 0.99,
        lambda: 0.9,
      }),
  };
}
