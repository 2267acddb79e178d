import type { Extras, Objective, RatioOptions } from './objective.ts';

/** Objectives whose gradient flows through a ratio rho = exp(logp - anchor), of the token or of its sequence. */

export interface ClipOptions extends RatioOptions {
  clipLow?: number;
  clipHigh?: number;
  /** Where A < 0 the loss is at most -dualClip A (arXiv 1912.09729); above 1, default none. */
  dualClip?: number;
  /** rho is cut to this before it meets A (INTELLECT-2's two-sided clip); above 1, default none. */
  ratioCap?: number;
}

function clip(name: string, options: ClipOptions): Objective {
  const { clipLow = 0.2, clipHigh = 0.2, dualClip, ratioCap, ...rest } = options;
  const { anchor = 'old', level, throughToken, ...extras } = rest;
  return {
    name,
    gate: {
      ...{ kind: 'clip-surrogate', anchor, clipLow, clipHigh },
      ...(level === undefined ? {} : { level }),
      ...(throughToken === undefined ? {} : { throughToken }),
      ...(dualClip === undefined ? {} : { dualClip }),
      ...(ratioCap === undefined ? {} : { ratioCap }),
    },
    sequenceTerm: null,
    ...extras,
  };
}

/** PPO's clipped surrogate (arXiv 1707.06347) with given advantages; `dualClip` as in arXiv 1912.09729. */
export function ppo(options: ClipOptions = {}): Objective {
  return clip('ppo', options);
}

/**
 * PPO with a behaviour policy apart from the old one (AReaL, arXiv 2505.24298): the surrogate is times
 * e^(old - behaviour), cut at `cap`.
 */
export function decoupledPpo({ cap = 5, ...options }: ClipOptions & { cap?: number } = {}): Objective {
  const importance = { numerator: 'old', level: 'token', high: cap, outside: 'cut' } as const;
  return clip('decoupledPpo', { importance, ...options });
}

/**
 * GRPO (arXiv 2402.03300): the clipped surrogate of PPO (arXiv 1707.06347), no critic, without a KL term unless given:
 * the paper's is `kl: { kind: 'k3', coefficient: 0.04 }`. Give A = (r - mean) / std of the group. Offline, the anchor
 * is usually 'behaviour'.
 */
export function grpo(options: ClipOptions = {}): Objective {
  return clip('grpo', options);
}

/** Dr. GRPO (arXiv 2503.20783): GRPO with A = r - mean and N_i = 1 / (B L) of a fixed length L. */
export function drGrpo(options: ClipOptions = {}): Objective {
  return clip('drGrpo', options);
}

/** DAPO (arXiv 2503.14476): GRPO with a wider upper clip, and N_i = 1 / tokens of the batch. */
export function dapo({ clipHigh = 0.28, ...options }: ClipOptions = {}): Objective {
  return clip('dapo', { clipHigh, ...options });
}

/**
 * GSPO (arXiv 2507.18071): PPO's surrogate of the sequence's ratio exp(mean of log-ratios), its gradient through the
 * mean. N_i = 1 / (B |y_i|) as in the paper; other scales weigh a sequence by its length. LUSPO is N_i = 1 / B.
 */
export function gspo({ clipLow = 3e-4, clipHigh = 4e-4, ...options }: ClipOptions = {}): Objective {
  return clip('gspo', { clipLow, clipHigh, level: 'sequence-mean', ...options });
}

/** GSPO-token: the same where A is constant in a sequence, and takes token advantages. */
export function gspoToken(options: ClipOptions = {}): Objective {
  return { ...gspo({ throughToken: true, ...options }), name: 'gspoToken' };
}

/** RLOO as PPO over whole responses (arXiv 2402.14740): the ratio is of the sum of log-ratios. */
export function rloo(options: ClipOptions = {}): Objective {
  return clip('rloo', { level: 'sequence-sum', ...options });
}

/** GMPO (arXiv 2507.20673): -A times the geometric mean of ratios, each cut in the log. */
export function gmpo({ clipLow = 0.4, clipHigh = 0.4, ...options }: ClipOptions = {}): Objective {
  const { anchor = 'old', kl, importance, sequenceMask } = options;
  return {
    name: 'gmpo',
    gate: { kind: 'geometric', anchor, clipLow, clipHigh },
    sequenceTerm: null,
    ...given({ kl, importance, sequenceMask }),
  };
}

type Undefinable<T> = { [K in keyof T]: T[K] | undefined };

function given(extras: Undefinable<Required<Extras>>): Extras {
  return Object.fromEntries(Object.entries(extras).filter(([, value]) => value !== undefined));
}

/** SAPO (arXiv 2511.20347): a soft gate, -(4 / t) sigmoid(t (rho - 1)) A. */
export function sapo(options: RatioOptions & { positive?: number; negative?: number } = {}): Objective {
  const { positive = 1, negative = 1.05, anchor = 'old', level = 'token', throughToken, ...extras } = options;
  const through = throughToken === undefined ? {} : { throughToken };
  return {
    name: 'sapo',
    gate: { kind: 'sapo', anchor, level, ...through, positive, negative },
    sequenceTerm: null,
    ...extras,
  };
}

/** sPPO (arXiv 2108.05828): -A R where 1 / (1 + epsilon) <= rho <= 1 + epsilon. */
export function sppo({ epsilon = 0.2, ...options }: RatioOptions & { epsilon?: number } = {}): Objective {
  const { anchor = 'old', level: _, throughToken: __, ...extras } = options;
  return {
    name: 'sppo',
    gate: { kind: 'log-ratio', anchor },
    sequenceTerm: null,
    tokenMask: { kind: 'two-side', anchor, low: 1 / (1 + epsilon), high: 1 + epsilon },
    ...extras,
  };
}

/** REC-OneSide (arXiv 2509.24203): -rho A where rho has not left the clip range on the side that A pushes to. */
export function rec(options: ClipOptions = {}): Objective {
  const { clipLow = 0.2, clipHigh = 0.2, anchor = 'behaviour', kl, importance, sequenceMask } = options;
  return {
    name: 'rec',
    gate: { kind: 'ratio', anchor },
    sequenceTerm: null,
    tokenMask: { kind: 'one-side', anchor, low: 1 - clipLow, high: 1 + clipHigh },
    ...given({ kl, importance, sequenceMask }),
  };
}

/**
 * NFT (arXiv 2505.18116): likelihood of right answers (A > 0) under the policy, of wrong ones under the implicit
 * negative policy. Give A = +-1 and `nftQuality`, the group's share of right answers. omega weighs all terms.
 */
export function nft(options: RatioOptions & { floor?: number; omega?: number } = {}): Objective {
  const { floor = 0.1, omega = 1, anchor = 'old', level = 'token', throughToken, ...extras } = options;
  const through = throughToken === undefined ? {} : { throughToken };
  return {
    name: 'nft',
    gate: { kind: 'nft', anchor, level, ...through, floor, omega },
    sequenceTerm: null,
    ...extras,
  };
}
