/**
 * Estimators of KL(policy || anchor) from one token, delta = logp - anchor (Schulman, "Approximating KL divergence",
 * 2020), and what their gradients may be instead of their own slope.
 */
export type Estimator = 'k1' | 'k2' | 'k3' | 'abs' | 'square';

export function klValue(kind: Estimator, delta: number): number {
  switch (kind) {
    case 'k1':
      return delta;
    case 'k2':
      return (delta * delta) / 2;
    case 'k3':
      return Math.exp(-delta) + delta - 1;
    case 'abs':
      return Math.abs(delta);
    case 'square':
      return delta * delta;
  }
}
