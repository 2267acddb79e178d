import type { StepJudgement } from './judge.ts';

/** Why a step has no verdict; stored as the reason of the abstention, where needed followed by ": " and details. */
export type AbstainClass =
  // The judge answered, and asking again would most likely bring the same: final.
  | 'unsure'
  | 'refusal'
  | 'malformed'
  | 'truncated'
  | 'missing-index'
  | 'duplicate-index'
  | 'out-of-range-index'
  | 'invalid-verdict'
  | 'inconsistent'
  | 'context-overflow'
  | 'not-asked'
  // The judge did not get to answer: worth asking again in a later run.
  | 'timeout'
  | 'network'
  | 'rate-limited'
  | 'redirect'
  | 'content-type'
  | 'bad-body'
  | 'huge-body'
  | 'spend-cap'
  | `http-${string}`;

const FAILURES: ReadonlySet<string> = new Set([
  ...['timeout', 'network', 'rate-limited', 'redirect', 'content-type', 'bad-body', 'huge-body', 'spend-cap'],
]);

/** The class at the head of a reason: "unsure: because …" is "unsure". */
export function abstainClass(reason: string | null | undefined): string {
  return /^[\w-]+/.exec(reason ?? '')?.[0] ?? 'no-reason';
}

/** Whether a step has no verdict because the judge could not be asked, and not because of what it said. */
export function isFailure(judgement: Pick<StepJudgement, 'label' | 'reason'>): boolean {
  if (judgement.label !== 'abstain') return false;
  const name = abstainClass(judgement.reason);
  // A status is as a rule about the request's form or the server's health, and a refused request costs nothing.
  return FAILURES.has(name) || name.startsWith('http-');
}

export function abstain(reason: AbstainClass): StepJudgement {
  return { label: 'abstain', recovers: false, score: null, reason };
}

/** `count` abstentions of one class. */
export function abstainAll(count: number, reason: AbstainClass): StepJudgement[] {
  return Array.from({ length: count }, () => abstain(reason));
}
