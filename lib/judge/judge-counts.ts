import { abstainClass } from './abstain-class.ts';
import type { StepJudgement } from './judge.ts';
import { noUsage, type RecordedUsage } from './recorded-response.ts';

/** What one judge did in a run. */
export interface JudgeCounts {
  responses: number;
  /** Responses that the judge was asked about now; its HTTP requests are `usage.requests`. */
  calls: number;
  /** Responses whose judgements were taken from the journal, or from one with the same content. */
  journalHits: number;
  /** Responses with a step that has no verdict because the judge could not be asked. */
  failed: number;
  /** Steps without a verdict, by class. */
  abstained: Record<string, number>;
  /** Of the calls made now. `seconds` adds up time of calls that may have run side by side, waits included. */
  usage: RecordedUsage;
  /** Of the calls that earlier runs made for what was taken from the journal. */
  journaledUsage: RecordedUsage;
}

export function noCounts(): JudgeCounts {
  return {
    ...{ responses: 0, calls: 0, journalHits: 0, failed: 0, abstained: {} },
    ...{ usage: noUsage(), journaledUsage: noUsage() },
  };
}

export function countAbstentions(counts: JudgeCounts, judgements: readonly StepJudgement[]): void {
  for (const { label, reason } of judgements) {
    if (label !== 'abstain') continue;
    const name = abstainClass(reason);
    counts.abstained[name] = (counts.abstained[name] ?? 0) + 1;
  }
}
