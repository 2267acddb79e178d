import { type Importance, type Kl, type Objective, objectives } from '../../lib/kernels/objectives.ts';

function named(name: string, objective: Objective): Objective {
  return { ...objective, name };
}

const KLS: Kl[] = (['k1', 'k2', 'k3', 'abs', 'square'] as const).flatMap((kind) =>
  (['own', 'delta', 'score', 'ratio', 'weighted'] as const).map((gradient) => ({
    ...{ kind, gradient, coefficient: 0.3, anchor: kind === 'k2' ? 'old' : 'ref' },
    ...(kind === 'k1' && { ratioAnchor: 'behaviour' as const }),
  })),
);

const WEIGHTS: Importance[] = (['token', 'sequence-sum', 'sequence-mean'] as const).flatMap((level) =>
  (['cut', 'drop', 'drop-own'] as const).map((outside) => ({
    ...{ level, outside, low: 0.7, high: 1.4 },
    numerator: outside === 'drop' ? 'policy' : 'old',
  })),
);

/** Every preset with its defaults. */
export const PRESETS: Objective[] = Object.values(objectives).map((preset) => preset());

/** The options: each estimator of the KL under each gradient, importance weights, levels, bounds and masks. */
export const VARIATIONS: Objective[] = [
  ...KLS.map((kl) => named(`grpo, ${kl.kind} ${kl.gradient}`, objectives.grpo({ kl }))),
  ...WEIGHTS.map((importance) =>
    named(
      `ppo, ${importance.level} ${importance.outside} of ${importance.numerator}`,
      objectives.ppo({ importance }),
    ),
  ),
  named('reinforce, k3', objectives.reinforce({ kl: { kind: 'k3', coefficient: 0.1 } })),
  named('bcpg, k3 cut', objectives.bcpg({ kl: { kind: 'k3', coefficient: 0.1, inputBound: 0.5 } })),
  named('grpo, k3 bounded', objectives.grpo({ kl: { kind: 'k3', coefficient: 1, outputBound: 0.3 } })),
  named('grpo, square', { ...objectives.grpo(), sequenceTerm: objectives.bcpg({ tau: 0.01 }).sequenceTerm }),
  named('ppo, dual', objectives.ppo({ dualClip: 1.5 })),
  named('ppo, cap', objectives.ppo({ ratioCap: 1.3, anchor: 'behaviour' })),
  named('ppo, low cap', objectives.ppo({ ratioCap: 1.1, dualClip: 1.05 })),
  named('grpo, sequences masked', objectives.grpo({ sequenceMask: 0.1 })),
  named('cispo of sequences', objectives.cispo({ level: 'sequence-mean' })),
  named('topr of tokens', objectives.topr({ level: 'token' })),
  named('sapo of sequences', objectives.sapo({ level: 'sequence-mean' })),
  named('sapo through tokens', objectives.sapo({ level: 'sequence-sum', throughToken: true })),
  named('nft of sequences', objectives.nft({ level: 'sequence-mean', omega: 0.7 })),
  named('gspo, wide', objectives.gspo({ clipLow: 0.2, clipHigh: 0.2 })),
  named('ipo of sums', objectives.ipo({ mean: false, beta: 0.4 })),
  named('dpo of means', objectives.dpo({ mean: true, beta: 2, smoothing: -0.1 })),
  named('kto, weighted', objectives.kto({ z0: 0.2, desirable: 1.3, undesirable: 0.6 })),
];
