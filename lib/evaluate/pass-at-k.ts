import { LapidaryError } from '../errors.ts';

/**
 * The unbiased estimate of pass@k from n samples of which c pass: 1 - C(n-c, k) / C(n, k) (Chen et al., arXiv
 * 2107.03374), as a product so that no binomial overflows. pass@1 is c / n, and its mean over prompts is avg@n.
 */
export function passAtK(n: number, c: number, k: number): number {
  if (
    !(
      Number.isInteger(n) &&
      Number.isInteger(c) &&
      Number.isInteger(k) &&
      k >= 1 &&
      k <= n &&
      c >= 0 &&
      c <= n
    )
  ) {
    const problem = `passAtK: got n = ${n}, c = ${c}, k = ${k}; expected whole numbers with 0 <= c <= n and 1 <= k <= n`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'k' });
  }
  if (n - c < k) return 1;
  let allFail = 1;
  for (let i = n - c + 1; i <= n; i++) allFail *= 1 - k / i;
  return 1 - allFail;
}
