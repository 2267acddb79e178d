import type { StepLabel } from './judge.ts';

/** Index of the first wrong step; 'none' where all are right; 'unknown' where an abstention leaves it open. */
export function firstErrorOf(labels: readonly StepLabel[]): number | 'none' | 'unknown' {
  for (const [step, label] of labels.entries()) {
    if (label === 'abstain') return 'unknown';
    if (label === 'wrong') return step;
  }
  return 'none';
}
