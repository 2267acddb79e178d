import type { ConstraintOptions, Extras, Kl, Objective } from './objective.ts';

/** Objectives whose policy term is -w A logp: they differ in what A and w are given, and in the constraint. */
function unit(name: string, extras: Extras): Objective {
  return { name, gate: { kind: 'unit' }, sequenceTerm: null, ...extras };
}

/**
 * BCPG-NSA (arXiv 2505.14403): A = r - mean(r) of the group, S against the reference (the data's) policy. Negative
 * sample augmentation is in the token weights: w = beta on tokens of right steps inside wrong responses, 1
 * elsewhere. The scale is N_i = 1 / (G |y_i|). `tau` defaults to the paper's 1e-3, for responses of some thousand
 * tokens; the pull grows with tau x length, so short responses want a larger one.
 */
export function bcpgNsa(options: ConstraintOptions = {}): Objective {
  return { ...bcpg(options), name: 'bcpgNsa' };
}

/** BCPG (arXiv 2505.14403): the same without token weights (beta = 1). */
export function bcpg({ tau = 1e-3, anchor = 'ref', ...extras }: ConstraintOptions = {}): Objective {
  return { ...unit('bcpg', extras), sequenceTerm: { kind: 'square', anchor, tau } };
}

/**
 * Policy mirror descent of Kimi k1.5 (arXiv 2501.12599): (tau / 2) (A / tau - S)^2 against the old policy; up to a
 * constant BCPG against it. N_i = 1 / (G |y_i|) for the mean over tokens.
 */
export function pmd({ anchor = 'old', ...options }: ConstraintOptions = {}): Objective {
  return { ...bcpg({ ...options, anchor }), name: 'pmd' };
}

/** REINFORCE on stored responses (arXiv 2402.14740 for the baseline): -A logp, no constraint; it may collapse. */
export function reinforce(options: Extras = {}): Objective {
  return unit('reinforce', options);
}

/** Rejection fine-tuning: maximum likelihood of right responses. Give A = 1[right], weights 1. */
export function rft(options: Extras = {}): Objective {
  return unit('rft', options);
}

/** Asymmetric REINFORCE (arXiv 2506.20520): -A logp. Give A = r - (mean(r) + deltaV), deltaV < 0 (the paper: -0.1). */
export function asymRe(options: Extras = {}): Objective {
  return unit('asymRe', options);
}

/** Positive sample reinforcement (arXiv 2506.01347): -A logp. Give A = 1[right]. */
export function psr(options: Extras = {}): Objective {
  return unit('psr', options);
}

/** Negative sample reinforcement (arXiv 2506.01347): -A logp. Give A = -1[wrong]. */
export function nsr(options: Extras = {}): Objective {
  return unit('nsr', options);
}

/** W-REINFORCE (arXiv 2506.01347): -A logp. Give A = lambda 1[right] - 1[wrong]; the paper's lambda is 0.1. */
export function wReinforce(options: Extras = {}): Objective {
  return unit('wReinforce', options);
}

/** DRO as trainers ship it, after arXiv 2405.19107: -A logp + (tau / 2) (logp - anchor)^2, squared by token. */
export function dro({ tau = 0.1, anchor = 'old', ...extras }: ConstraintOptions = {}): Objective {
  const kl: Kl = { kind: 'k2', anchor, coefficient: tau };
  return unit('dro', { ...extras, kl });
}
