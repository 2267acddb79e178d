import type { Anchor, Objective, SequenceTerm } from './objective.ts';

/**
 * Preference losses: functions of S, the sum of logp - anchor over a response (S_w, S_l of a pair's chosen and
 * rejected). Pairs are neighbours (2k chosen, 2k + 1 rejected) or the `pairs` given; N_i of the chosen one scales a
 * pair's loss: 2 / B for the mean over pairs. KTO and SPPO read from the sign of A which answers are desirable.
 */

function preference(name: string, sequenceTerm: SequenceTerm): Objective {
  return { name, gate: { kind: 'none' }, sequenceTerm };
}

export interface PairOptions {
  beta?: number;
  anchor?: Anchor;
}

/**
 * DPO (arXiv 2305.18290): -log sigmoid(beta (S_w - S_l)). With `smoothing` e, cDPO: each label is wrong with
 * probability e; the debiased form of TRL (`robust`) is a smoothing of -e / (1 - 2e). With `mean` S is the mean over
 * tokens (TRL's `sigmoid_norm`).
 */
export function dpo(options: PairOptions & { smoothing?: number; mean?: boolean } = {}): Objective {
  const { beta = 0.1, anchor = 'ref', smoothing = 0, mean = false } = options;
  return preference('dpo', { kind: 'logistic-pair', anchor, beta, smoothing, mean });
}

/** cDPO: DPO whose labels are wrong with probability `smoothing`. */
export function cdpo({ smoothing = 0.1, ...options }: PairOptions & { smoothing?: number } = {}): Objective {
  return { ...dpo({ ...options, smoothing }), name: 'cdpo' };
}

/**
 * IPO (arXiv 2310.12036): (h - 1 / (2 beta))^2. h is the difference of means over tokens as in TRL; `mean: false`
 * takes sums, as OpenRLHF does.
 */
export function ipo({
  beta = 0.1,
  anchor = 'ref',
  mean = true,
}: PairOptions & { mean?: boolean } = {}): Objective {
  return preference('ipo', { kind: 'square-pair', anchor, beta, mean });
}

/** Hinge on a pair (SLiC, arXiv 2305.10425; RSO, arXiv 2309.06657): max(0, 1 - beta (S_w - S_l)). */
export function hinge({ beta = 0.1, anchor = 'ref' }: PairOptions = {}): Objective {
  return preference('hinge', { kind: 'hinge-pair', anchor, beta });
}

/** SimPO (arXiv 2405.14734): -log sigmoid(beta (mean_w - mean_l) - margin) of mean log-probs, without a reference. */
export function simpo({ beta = 2, margin = 0.5 }: { beta?: number; margin?: number } = {}): Objective {
  return preference('simpo', { kind: 'logistic-pair', anchor: null, mean: true, beta, margin });
}

/**
 * KTO (arXiv 2402.01306): lambda_D (1 - sigmoid(beta (S - z0))) of desirable answers, lambda_U (1 - sigmoid(beta
 * (z0 - S))) of others. z0, the detached KL of mismatched pairs cut at 0, is given.
 */
export function kto(
  options: PairOptions & { z0?: number; desirable?: number; undesirable?: number } = {},
): Objective {
  const { beta = 0.1, anchor = 'ref', z0 = 0, desirable = 1, undesirable = 1 } = options;
  return preference('kto', { kind: 'kto', anchor, beta, z0, desirable, undesirable });
}

/** NPO (arXiv 2404.05868): (2 / beta) log(1 + e^(beta S)) of answers to unlearn. */
export function npo({ beta = 0.1, anchor = 'ref' }: PairOptions = {}): Objective {
  return preference('npo', { kind: 'npo', anchor, beta });
}

/** SPPO-hard (arXiv 2405.00675): (S -+ 1 / (2 beta))^2, - for the preferred answer (A > 0). */
export function sppoHard({ beta = 0.1, anchor = 'ref' }: PairOptions = {}): Objective {
  return preference('sppoHard', { kind: 'sppo', anchor, beta });
}
