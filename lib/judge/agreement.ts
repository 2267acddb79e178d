import { LapidaryError } from '../errors.ts';
import { type AgreementTable, addVote, noCounts, tableOf } from './agreement-table.ts';
import type { StepLabel } from './judge.ts';

export type { AgreementTable } from './agreement-table.ts';

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
  first: readonly StepLabel[],
  second: readonly StepLabel[],
  weight: (k: number) => number,
): AgreementTable {
  const counts = noCounts();
  for (const [k, label] of first.entries()) addVote(counts, label, second[k]!, weight(k));
  return tableOf(counts);
}

function checkLength(argument: string, given: number, expected: number): void {
  if (given === expected) return;
  const problem = `agreement: ${argument}: got ${given} entries; expected ${expected}, one per step`;
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument });
}
