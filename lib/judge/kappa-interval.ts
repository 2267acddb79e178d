import { randomInteger, seededRandom } from '../random.ts';
import { type AgreementCounts, noCounts, tableOf } from './agreement-table.ts';

export interface KappaInterval {
  low: number;
  high: number;
  /** Replicates in which kappa was defined. */
  replicates: number;
}

const CELLS = ['bothRight', 'onlyFirstRight', 'onlySecondRight', 'bothWrong', 'excluded'] as const;

/**
 * 95 % percentile bootstrap interval of kappa, drawing whole responses: steps of one response stand or fall together.
 * Null where there are fewer than two responses or kappa is undefined in every replicate.
 */
export function kappaInterval(
  responses: readonly AgreementCounts[],
  options: { replicates: number; seed: number },
): KappaInterval | null {
  if (responses.length < 2) return null;
  const random = seededRandom(options.seed);
  const kappas: number[] = [];
  for (let replicate = 0; replicate < options.replicates; replicate++) {
    const sum = noCounts();
    for (let drawn = 0; drawn < responses.length; drawn++) {
      const own = responses[randomInteger(random, responses.length)]!;
      for (const cell of CELLS) sum[cell] += own[cell];
    }
    const { kappa } = tableOf(sum);
    if (kappa !== null) kappas.push(kappa);
  }
  if (kappas.length === 0) return null;
  kappas.sort((a, b) => a - b);
  const at = (share: number) => kappas[Math.min(kappas.length - 1, Math.floor(share * kappas.length))]!;
  return { low: at(0.025), high: at(0.975), replicates: kappas.length };
}
