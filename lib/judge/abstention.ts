import type { StepJudgement } from './judge.ts';

/** A step without a verdict. The reason starts with the failure's class: "timeout", "context-overflow: …". */
export function abstention(reason: string): StepJudgement {
  return { label: 'abstain', recovers: false, score: null, reason };
}

/** The positions a verdict is wanted on. */
export function askedSteps(request: { steps: readonly string[]; asked?: readonly number[] }): Set<number> {
  return new Set(request.asked ?? request.steps.keys());
}
