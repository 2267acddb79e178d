import type { StepVerdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { StepLabel } from './judge.ts';

/** One labelled step with its stored score. */
export interface ScoredStep {
  score: number;
  right: boolean;
}

export interface OperatingPoint {
  /** Steps with at least this score are called right. */
  lambda: number;
  /** Steps called right. */
  called: number;
  /** Share of them that are right. */
  precision: number;
  /** 95 % Wilson interval of the precision. */
  interval: { low: number; high: number };
  /** Share of the right steps that are called right; null where none is right. */
  recall: number | null;
}

export interface ReliabilityBin {
  low: number;
  high: number;
  count: number;
  meanScore: number;
  shareRight: number;
}

export interface Reliability {
  /** Bins of equal width over [0, 1]; those without steps are left out. */
  bins: ReliabilityBin[];
  /** Expected calibration error: the mean over steps of |share right - mean score| of their bin. */
  ece: number;
  /** Mean squared difference of score and truth. */
  brier: number;
}

/** The scores of a judge beside given labels, from stored verdicts; steps without either are left out. */
export function scoredSteps(
  verdicts: Iterable<StepVerdict>,
  judge: string,
  truth: ReadonlyMap<string, readonly StepLabel[]>,
): ScoredStep[] {
  const steps: ScoredStep[] = [];
  for (const { judge_id, rollout_id, k, score, label: own } of verdicts) {
    const label = truth.get(rollout_id)?.[k];
    if (judge_id !== judge || score == null || own === -1 || label === undefined || label === 'abstain')
      continue;
    steps.push({ score, right: label === 'right' });
  }
  return steps;
}

/** Precision and recall of "right" at every distinct score, from the highest lambda to the lowest. */
export function precisionRecall(steps: readonly ScoredStep[]): OperatingPoint[] {
  const sorted = checked(steps).toSorted((a, b) => b.score - a.score);
  const rights = sorted.filter(({ right }) => right).length;
  const points: OperatingPoint[] = [];
  let hits = 0;
  for (const [i, { score, right }] of sorted.entries()) {
    if (right) hits++;
    if (sorted[i + 1]?.score === score) continue;
    const called = i + 1;
    points.push({
      ...{ lambda: score, called, precision: hits / called, interval: wilson(hits, called) },
      recall: rights === 0 ? null : hits / rights,
    });
  }
  return points;
}

/**
 * The lowest lambda whose precision of "right" meets the target: a step wrongly called right rewards an error, one
 * wrongly called wrong only keeps the usual penalty. 'low' asks the lower end of the Wilson interval to meet it,
 * 'estimate' the precision itself. Null where no lambda does. Among many lambdas some meet it by luck: freeze the
 * choice and check it on other steps.
 */
export function chooseLambda(
  steps: readonly ScoredStep[],
  options: { precision: number; by?: 'low' | 'estimate' },
): OperatingPoint | null {
  const { precision, by = 'low' } = options;
  if (!(precision > 0 && precision <= 1))
    throw badArgument('precision', `${precision}; expected a number in (0, 1]`);
  const meets = (point: OperatingPoint) => (by === 'low' ? point.interval.low : point.precision) >= precision;
  return precisionRecall(steps).findLast(meets) ?? null;
}

export function reliability(steps: readonly ScoredStep[], bins = 10): Reliability {
  if (!(Number.isSafeInteger(bins) && bins >= 1))
    throw badArgument('bins', `${bins}; expected a positive integer`);
  const sums = Array.from({ length: bins }, () => ({ count: 0, score: 0, right: 0 }));
  let brier = 0;
  for (const { score, right } of checked(steps)) {
    const bin = sums[Math.min(bins - 1, Math.floor(score * bins))]!;
    bin.count++;
    bin.score += score;
    bin.right += right ? 1 : 0;
    brier += (score - (right ? 1 : 0)) ** 2;
  }
  const filled = sums.flatMap(({ count, score, right }, i) =>
    count === 0
      ? []
      : [{ low: i / bins, high: (i + 1) / bins, count, meanScore: score / count, shareRight: right / count }],
  );
  const gaps = filled.map(({ count, meanScore, shareRight }) => count * Math.abs(meanScore - shareRight));
  const total = Math.max(1, steps.length);
  return { bins: filled, ece: gaps.reduce((a, b) => a + b, 0) / total, brier: brier / total };
}

const Z_95 = 1.959963984540054;

/** Wilson's score interval (1927) of a share, 95 %. */
export function wilson(hits: number, total: number): { low: number; high: number } {
  if (total === 0) return { low: 0, high: 1 };
  const share = hits / total;
  const squared = Z_95 * Z_95;
  const middle = share + squared / (2 * total);
  const reach = Z_95 * Math.sqrt((share * (1 - share)) / total + squared / (4 * total * total));
  const scale = 1 + squared / total;
  return {
    // At the ends the bound is the end itself, which rounding may miss.
    low: hits === 0 ? 0 : (middle - reach) / scale,
    high: hits === total ? 1 : (middle + reach) / scale,
  };
}

function checked(steps: readonly ScoredStep[]): readonly ScoredStep[] {
  for (const [i, { score }] of steps.entries()) {
    if (!(score >= 0 && score <= 1))
      throw badArgument(`steps[${i}].score`, `${score}; expected a number in [0, 1]`);
  }
  return steps;
}

function badArgument(argument: string, given: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `calibration: ${argument}: got ${given}`, { argument });
}
