import type { Judge, JudgeResponse, JudgeUsage } from './judge.ts';

/** What a judge may count beyond JudgeUsage. */
export interface RecordedUsage extends JudgeUsage {
  /** HTTP requests sent. */
  requests?: number;
  cachedPromptTokens?: number;
  /** Steps judged without the whole solution in view. */
  windowedSteps?: number;
}

/** What a judge may tell of its raw replies. */
export interface RecordedResponse extends JudgeResponse {
  usage: RecordedUsage;
  /** SHA-256 over the raw replies in the order they came; null where none came. */
  replySha256?: string | null;
}

/** A judge may say that the gold answer is not shown to it; labels then do not depend on that answer. */
export interface GroundTruthAware extends Judge {
  readonly seesGroundTruth?: boolean;
}

export function noUsage(): RecordedUsage {
  return { promptTokens: 0, completionTokens: 0, seconds: 0 };
}

/** Adds `own` to `total`; an optional count appears where either has it. */
export function addUsage(total: RecordedUsage, own: RecordedUsage): void {
  total.promptTokens += own.promptTokens;
  total.completionTokens += own.completionTokens;
  total.seconds += own.seconds;
  for (const field of ['costUsd', 'requests', 'cachedPromptTokens', 'windowedSteps'] as const) {
    const value = own[field];
    if (value !== undefined) total[field] = (total[field] ?? 0) + value;
  }
}
