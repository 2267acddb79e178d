/**
 * The policy terms in float64, straight from their formulas. Each takes the token where it is differentiated (`live`)
 * and where it stands still (`held`): what a paper detaches is read from `held`. At live = held a term has its
 * published value, and its derivative by `live` is its published gradient.
 */
export interface Point {
  logp: number;
  /** log rho: of the token, or of its whole sequence. */
  logRatio: number;
}

export type Term = (live: Point, held: Point, advantage: number) => number;

/** Log-ratios are cut to +-20 before exp, as the contract says. */
const LOG_RATIO_BOUND = 20;

export function ratioOf(logRatio: number): number {
  return Math.exp(Math.min(Math.max(logRatio, -LOG_RATIO_BOUND), LOG_RATIO_BOUND));
}

function clip(x: number, low: number, high: number): number {
  return Math.min(Math.max(x, low), high);
}

/** -A l: REINFORCE and all that is log-linear. */
export const unit: Term = ({ logp }, _, advantage) => -advantage * logp;

/** -rho A. */
export const ratio: Term = ({ logRatio }, _, advantage) => -ratioOf(logRatio) * advantage;

/**
 * PPO (arXiv 1707.06347): -min(min(rho, delta) A, clip(rho, 1 - low, 1 + high) A), delta of INTELLECT-2's two-sided
 * clip; where A < 0 no less than -dual A (arXiv 1912.09729).
 */
export function clipSurrogate(low: number, high: number, dual = Infinity, delta = Infinity): Term {
  return ({ logRatio }, _, advantage) => {
    const rho = ratioOf(logRatio);
    const loss = -Math.min(Math.min(rho, delta) * advantage, clip(rho, 1 - low, 1 + high) * advantage);
    return advantage < 0 ? Math.min(loss, -dual * advantage) : loss;
  };
}

/** -clip(rho, low, high) A l, the weight detached: CISPO (arXiv 2506.13585), TOPR (arXiv 2503.14286). */
export function clipWeight(bounds: {
  positive: [number, number] | null;
  negative: [number, number] | null;
}): Term {
  return ({ logp }, { logRatio }, advantage) => {
    const side = advantage > 0 ? bounds.positive : bounds.negative;
    const weight = side === null ? 1 : clip(ratioOf(logRatio), side[0], side[1]);
    return -weight * advantage * logp;
  };
}

/** -(4 / tau) sigmoid(tau (rho - 1)) A, tau by the sign of A: SAPO (arXiv 2511.20347). */
export function sapo(positive: number, negative: number): Term {
  return ({ logRatio }, _, advantage) => {
    const tau = advantage > 0 ? positive : negative;
    return ((-4 / tau) * advantage) / (1 + Math.exp(-tau * (ratioOf(logRatio) - 1)));
  };
}

/** -phi(w) A l with phi(w) = e^rate w^shape e^(-rate w), detached: VESPO. */
export function gamma(shape: [number, number], rate: [number, number]): Term {
  return ({ logp }, { logRatio }, advantage) => {
    const side = advantage > 0 ? 0 : 1;
    const log = Math.min(Math.max(logRatio, -LOG_RATIO_BOUND), LOG_RATIO_BOUND);
    const phi = Math.exp(rate[side]! + shape[side]! * log - rate[side]! * Math.exp(log));
    return -phi * advantage * logp;
  };
}

/**
 * NFT (arXiv 2505.18116): right answers -log rho, wrong ones -log max((1 - q rho) / (1 - q), floor) with the maximum's
 * gradient passed straight through; times omega.
 */
export function nft(quality: number, floor: number, omega: number): Term {
  const implicit = (logRatio: number) => (1 - quality * ratioOf(logRatio)) / (1 - quality);
  return (live, held, advantage) => {
    if (advantage > 0) return -omega * live.logRatio;
    const kept = Math.max(implicit(held.logRatio), floor);
    return -omega * Math.log(kept + implicit(live.logRatio) - implicit(held.logRatio));
  };
}
