/** Losses of whole sequences in float64: x is S, the sum (or mean) of log-ratios of a sequence, D that of a pair. */

/** log(1 + e^x) without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** (tau / 2) S^2: BCPG (arXiv 2505.14403), PMD (arXiv 2501.12599). */
export function square(s: number, tau: number): number {
  return (tau / 2) * s * s;
}

/** -(1 - e) log sigmoid(beta D - gamma) - e log sigmoid(gamma - beta D): DPO (2305.18290), cDPO, SimPO (2405.14734). */
export function logisticPair(d: number, beta: number, smoothing: number, gamma: number): number {
  const z = beta * d - gamma;
  return (1 - smoothing) * softplus(-z) + smoothing * softplus(z);
}

/** (D - 1 / (2 beta))^2: IPO (arXiv 2310.12036). */
export function squarePair(d: number, beta: number): number {
  return (d - 1 / (2 * beta)) ** 2;
}

/** max(0, 1 - beta D). */
export function hingePair(d: number, beta: number): number {
  return Math.max(0, 1 - beta * d);
}

/** weight (1 - sigmoid(+-beta (S - z0))): KTO (arXiv 2402.01306), + for desirable answers. */
export function kto(s: number, beta: number, z0: number, desirable: boolean, weight: number): number {
  return weight * (1 - sigmoid(desirable ? beta * (s - z0) : beta * (z0 - s)));
}

/** (2 / beta) log(1 + e^(beta S)): NPO (arXiv 2404.05868). */
export function npo(s: number, beta: number): number {
  return (2 / beta) * softplus(beta * s);
}

/** (S -+ 1 / (2 beta))^2: SPPO-hard (arXiv 2405.00675), - for the preferred answer. */
export function sppoHard(s: number, beta: number, preferred: boolean): number {
  return (s - (preferred ? 1 : -1) / (2 * beta)) ** 2;
}
