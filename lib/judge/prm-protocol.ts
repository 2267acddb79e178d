import type { CallUsage } from './endpoint-client.ts';

/** One request's worth of a response: neighbouring steps, the first of them as context only. */
export interface PrmQuestion {
  problem: string;
  steps: readonly string[];
  /** Steps before this index are context. A protocol may score them too. */
  scored: number;
}

export type PrmAnswer =
  /** One per step: P(right up to here), or the class of what is wrong with it; null for context left unscored. */
  | { ok: true; scores: (number | string | null)[]; usage: CallUsage }
  /** The class of what went wrong. */
  | { ok: false; failure: string; usage: CallUsage };

/** A way to get step scores out of a served model. */
export interface PrmProtocol {
  /** Part of the judge's id. */
  readonly name: string;
  /** Whether each new step is a request of its own, with a reply of one token, or all are one without a reply. */
  readonly requestPerStep: boolean;
  /** The text of a question beside its steps, to count its tokens. */
  frame(problem: string): string;
  /** The text of one step as it is sent, with whatever marks its end. */
  stepText(step: string): string;
  ask(question: PrmQuestion, signal?: AbortSignal): Promise<PrmAnswer>;
}

export function noCallUsage(): CallUsage {
  return { promptTokens: 0, completionTokens: 0, cachedPromptTokens: 0, requests: 0, costUsd: 0 };
}

export function addCallUsage(total: CallUsage, own: CallUsage): void {
  for (const field of Object.keys(total) as (keyof CallUsage)[]) total[field] += own[field];
}
