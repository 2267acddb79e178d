/**
 * Objectives are data. Each names the terms of
 *
 *   L = sum_i N_i [ sum_t m_t policy(logp_t; A_i, w_t) + sequence(S_i) ],   S_i = sum_t m_t (logp_t - anchor_t)
 *
 * over a packed batch; advantages A, token weights w, masks m and the per-sequence scale N are inputs of
 * `policyLoss`. The formulas themselves are in native/objective/.
 */

/** Which stored log-probs a ratio or a constraint is taken against. */
export type Anchor = 'old' | 'behaviour' | 'ref';

export interface UnitGate {
  /** -w A logp: gradient -w A per token. */
  kind: 'unit';
}

export interface ClipSurrogateGate {
  /** -w min(rho A, clip(rho, 1 - clipLow, 1 + clipHigh) A), rho = exp(logp - anchor). */
  kind: 'clip-surrogate';
  anchor: Anchor;
  clipLow: number;
  clipHigh: number;
}

export interface SquareTerm {
  /** (tau / 2) S^2. */
  kind: 'square';
  anchor: Anchor;
  tau: number;
}

export interface Objective {
  name: string;
  gate: UnitGate | ClipSurrogateGate;
  sequenceTerm: SquareTerm | null;
}

/**
 * BCPG-NSA (arXiv 2505.14403): A = r - mean(r) of the group, S against the reference (the data's) policy. Negative
 * sample augmentation is in the token weights: w = beta on tokens of right steps inside wrong responses, 1
 * elsewhere. The scale is N_i = 1 / (G |y_i|). `tau` defaults to the paper's 1e-3, for responses of some thousand
 * tokens; the pull grows with tau x length, so short responses want a larger one.
 */
export function bcpgNsa(options: { tau?: number; anchor?: Anchor } = {}): Objective {
  return { ...bcpg(options), name: 'bcpgNsa' };
}

/** BCPG (arXiv 2505.14403): the same without token weights (beta = 1). */
export function bcpg(options: { tau?: number; anchor?: Anchor } = {}): Objective {
  const { tau = 1e-3, anchor = 'ref' } = options;
  return { name: 'bcpg', gate: { kind: 'unit' }, sequenceTerm: { kind: 'square', anchor, tau } };
}

/** REINFORCE on stored responses (arXiv 2402.14740 for the baseline): -A logp, no constraint; it may collapse. */
export function reinforce(): Objective {
  return { name: 'reinforce', gate: { kind: 'unit' }, sequenceTerm: null };
}

/** Rejection fine-tuning: maximum likelihood of right responses. Give A = 1[right], weights 1. */
export function rft(): Objective {
  return { name: 'rft', gate: { kind: 'unit' }, sequenceTerm: null };
}

/**
 * GRPO (arXiv 2402.03300): the clipped surrogate of PPO (arXiv 1707.06347), no critic, without a KL term. Give
 * A = (r - mean) / std of the group. Offline, the anchor is usually 'behaviour'.
 */
export function grpo(options: { clipLow?: number; clipHigh?: number; anchor?: Anchor } = {}): Objective {
  const { clipLow = 0.2, clipHigh = 0.2, anchor = 'old' } = options;
  return { name: 'grpo', gate: { kind: 'clip-surrogate', anchor, clipLow, clipHigh }, sequenceTerm: null };
}

export const objectives = { bcpgNsa, bcpg, reinforce, rft, grpo } as const;
