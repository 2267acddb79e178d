import type { Bounds, Objective, RatioOptions, TokenMask } from './objective.ts';

/** Objectives -weight A logp whose weight is a detached function of a ratio. */

function weighted(
  name: string,
  bounds: { positive: Bounds; negative: Bounds },
  { anchor = 'old', level = 'token', throughToken: _, ...extras }: RatioOptions,
): Objective {
  return { name, gate: { kind: 'clip-weight', anchor, level, ...bounds }, sequenceTerm: null, ...extras };
}

/**
 * CISPO (arXiv 2506.13585): the weight is clip(rho, 1 - clipLow, 1 + clipHigh). ScaleRL (arXiv 2510.13786) and TRL
 * bound it only from above, by an absolute number: `bounds: [0, 5]`.
 */
export function cispo(
  options: RatioOptions & { clipLow?: number; clipHigh?: number; bounds?: readonly [number, number] } = {},
): Objective {
  const { clipLow = 0.2, clipHigh = 0.28, bounds: given, ...rest } = options;
  const bounds = given ?? ([1 - clipLow, 1 + clipHigh] as const);
  return weighted('cispo', { positive: bounds, negative: bounds }, rest);
}

/**
 * TOPR (arXiv 2503.14286, eq. 8): right answers as in REINFORCE, wrong ones times min(ratio, 1) of the whole
 * response. `level: 'token'` is what Trinity-RFT and ROLL ship under the name, 'sequence-mean' the form of verl's.
 */
export function topr(options: RatioOptions = {}): Objective {
  const bounds = { positive: null, negative: [0, 1] as const };
  return weighted('topr', bounds, { anchor: 'behaviour', level: 'sequence-sum', ...options });
}

/** VESPO as in TRL: a gamma-shaped weight e^k rho^s e^(-k rho) of the whole response's ratio. */
export function vespo(
  options: RatioOptions & { positive?: [number, number]; negative?: [number, number] } = {},
): Objective {
  const { positive = [2, 3], negative = [3, 2], anchor = 'old', ...rest } = options;
  const { level = 'sequence-sum', throughToken: _, ...extras } = rest;
  return {
    name: 'vespo',
    gate: { kind: 'gamma', anchor, level, positive, negative },
    sequenceTerm: null,
    ...extras,
  };
}

export interface TrustRegionOptions extends RatioOptions {
  /** How far a probability may move down (A < 0) and up (A > 0). */
  low?: number;
  high?: number;
  /** The weight is min(rho, cap). */
  cap?: number;
}

function dppo(name: string, kind: TokenMask['kind'], options: TrustRegionOptions): Objective {
  const { low = 0.2, high = 0.2, cap = 20, anchor = 'old', ...rest } = options;
  const bounds = [0, cap] as const;
  const tokenMask: TokenMask = { kind, anchor, low, high };
  return { ...weighted(name, { positive: bounds, negative: bounds }, { anchor, ...rest }), tokenMask };
}

/** DPPO-TV (arXiv 2602.04879): min(rho, cap) A where the token's probability stayed within [-low, high]. */
export function dppoTv(options: TrustRegionOptions = {}): Objective {
  return dppo('dppoTv', 'tv', options);
}

/** DPPO-KL (arXiv 2602.04879): the same by the binary KL of the token's probability. */
export function dppoKl({ low = 0.05, high = 0.05, ...options }: TrustRegionOptions = {}): Objective {
  return dppo('dppoKl', 'binary-kl', { low, high, ...options });
}
