import type { StepLabel } from './judge.ts';

/** How often two judges said what of the same units (steps, or tokens). */
export interface AgreementCounts {
  bothRight: number;
  onlyFirstRight: number;
  onlySecondRight: number;
  bothWrong: number;
  /** Left out of the four because at least one of the two abstained. */
  excluded: number;
}

export interface AgreementTable extends AgreementCounts {
  /** The sum of the four. */
  total: number;
  /** Share of `total` on which they agree; null where there is nothing to compare. */
  agreement: number | null;
  /**
   * Cohen's kappa (1960): agreement beyond chance, chance from each judge's own share of rights. Null where chance
   * alone would give full agreement, which leaves it undefined.
   */
  kappa: number | null;
  /**
   * Gwet's AC1 (2008): the same with chance from the mean share of rights, so that it stays high where nearly all is
   * of one kind and the two agree.
   */
  ac1: number | null;
}

export function noCounts(): AgreementCounts {
  return { bothRight: 0, onlyFirstRight: 0, onlySecondRight: 0, bothWrong: 0, excluded: 0 };
}

export function addVote(counts: AgreementCounts, first: StepLabel, second: StepLabel, weight: number): void {
  if (first === 'abstain' || second === 'abstain') counts.excluded += weight;
  else if (first === 'right') counts[second === 'right' ? 'bothRight' : 'onlyFirstRight'] += weight;
  else counts[second === 'right' ? 'onlySecondRight' : 'bothWrong'] += weight;
}

export function tableOf(counts: AgreementCounts): AgreementTable {
  const { bothRight, onlyFirstRight, onlySecondRight, bothWrong, excluded } = counts;
  const total = bothRight + onlyFirstRight + onlySecondRight + bothWrong;
  const all = { bothRight, onlyFirstRight, onlySecondRight, bothWrong, total, excluded };
  if (total === 0) return { ...all, agreement: null, kappa: null, ac1: null };
  const agreement = (bothRight + bothWrong) / total;
  const [first, second] = [(bothRight + onlyFirstRight) / total, (bothRight + onlySecondRight) / total];
  const mean = (first + second) / 2;
  return {
    ...all,
    agreement,
    kappa: beyondChance(agreement, first * second + (1 - first) * (1 - second)),
    ac1: beyondChance(agreement, 2 * mean * (1 - mean)),
  };
}

function beyondChance(agreement: number, chance: number): number | null {
  return chance === 1 ? null : (agreement - chance) / (1 - chance);
}
