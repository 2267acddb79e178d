import { LapidaryError } from '../errors.ts';
import type { StepLabel } from './judge.ts';

/** What two judges said of the same units (steps, or tokens), where both said something. */
export interface AgreementTable {
  bothRight: number;
  onlyFirstRight: number;
  onlySecondRight: number;
  bothWrong: number;
  total: number;
  /** Left out because at least one of the two abstained. */
  excluded: number;
  /** Share of `total` on which they agree; null where there is nothing to compare. */
  agreement: number | null;
  /** Cohen's kappa; null where chance alone would give full agreement, which leaves it undefined. */
  kappa: number | null;
}

export interface PairAgreement {
  first: string;
  second: string;
  steps: AgreementTable;
  /** The same weighted by tokens; null where no weights were given. */
  tokens: AgreementTable | null;
}

export interface JudgeLabels {
  id: string;
  /** Labels of all steps of all responses, in the same order for every judge. */
  labels: readonly StepLabel[];
}

/** Agreement of every pair of judges. `tokenCounts` holds the number of tokens of each step. */
export function agreement(judges: readonly JudgeLabels[], tokenCounts?: readonly number[]): PairAgreement[] {
  const length = judges[0]?.labels.length ?? 0;
  for (const { id, labels } of judges) checkLength(`labels of ${id}`, labels.length, length);
  if (tokenCounts !== undefined) checkLength('tokenCounts', tokenCounts.length, length);
  return judges.flatMap((first, i) =>
    judges.slice(i + 1).map((second) => ({
      first: first.id,
      second: second.id,
      steps: tabulate(first.labels, second.labels, () => 1),
      tokens:
        tokenCounts === undefined ? null : tabulate(first.labels, second.labels, (k) => tokenCounts[k]!),
    })),
  );
}

function tabulate(
  a: readonly StepLabel[],
  b: readonly StepLabel[],
  weight: (k: number) => number,
): AgreementTable {
  let [bothRight, onlyFirstRight, onlySecondRight, bothWrong, excluded] = [0, 0, 0, 0, 0];
  for (const [k, own] of a.entries()) {
    const other = b[k]!;
    const w = weight(k);
    if (own === 'abstain' || other === 'abstain') excluded += w;
    else if (own === 'right' && other === 'right') bothRight += w;
    else if (own === 'right') onlyFirstRight += w;
    else if (other === 'right') onlySecondRight += w;
    else bothWrong += w;
  }
  const total = bothRight + onlyFirstRight + onlySecondRight + bothWrong;
  const counts = { bothRight, onlyFirstRight, onlySecondRight, bothWrong, total, excluded };
  if (total === 0) return { ...counts, agreement: null, kappa: null };
  const observed = (bothRight + bothWrong) / total;
  const firstRight = (bothRight + onlyFirstRight) / total;
  const secondRight = (bothRight + onlySecondRight) / total;
  const chance = firstRight * secondRight + (1 - firstRight) * (1 - secondRight);
  return { ...counts, agreement: observed, kappa: chance === 1 ? null : (observed - chance) / (1 - chance) };
}

function checkLength(argument: string, given: number, expected: number): void {
  if (given === expected) return;
  const problem = `agreement: ${argument}: got ${given} entries; expected ${expected}, one per step`;
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument });
}
