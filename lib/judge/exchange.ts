import { z } from 'zod';
import type { AbstainClass } from './abstain-class.ts';
import { withoutKey } from './api-key.ts';

/** Tokens of one call as the endpoint counts them. */
export interface CallTokens {
  promptTokens: number;
  completionTokens: number;
  cachedPromptTokens: number;
}

/** What one HTTP exchange came to. */
export type Exchange<T> =
  /** `tokens` is null where the endpoint does not say how many it counted. */
  | { kind: 'answer'; value: T; tokens: CallTokens | null }
  | Failure
  /** Repetition cures it for no request. */
  | { kind: 'configuration'; status: number; why: string }
  | { kind: 'quota'; status: number };

/** `charged`: whether the endpoint may have charged for it. */
export interface Failure {
  kind: 'failure';
  failure: AbstainClass;
  again: boolean;
  charged: boolean;
  contextTokens?: number;
}

/** How an endpoint's JSON becomes an answer. */
export interface AnswerReader<T> {
  /** Null where the JSON is no such answer. */
  read: (json: unknown, key: string | null) => { value: T; tokens: CallTokens | null } | null;
  /** What that counts as, and whether asking again may cure it. */
  unreadable: { failure: AbstainClass; again: boolean };
}

/** Gateways pass an upstream's error on with status 200. */
const UpstreamError = z.object({ error: z.object({ code: z.union([z.number(), z.string()]).nullish() }) });

/** Statuses that no repetition cures and that concern every request alike. */
const CONFIGURATION = new Map([
  [401, 'the key is missing or not accepted'],
  [403, 'the key may not use this endpoint or model'],
  [404, 'there is no such endpoint or model'],
]);
const QUOTA_CODE = /insufficient_quota|billing_hard_limit_reached|billing_not_active/i;
const QUOTA_TEXT =
  /exceeded your current quota|credit balance is too low|insufficient (?:balance|credits|funds)|out of credits|billing/i;
const OVERFLOW =
  /context[_ -]?(?:length|window|size)|maximum context|longer than the maximum|max_model_len|prompt is too long|too many (?:input )?tokens|(?:input|prompt|request)[^.]{0,40}too (?:long|large)|reduce the length/i;

/** Reads an answer that arrived whole. `text` is null where the body was longer than allowed. */
export function readExchange<T>(
  response: Response,
  text: string | null,
  key: string | null,
  reader: AnswerReader<T>,
): Exchange<T> {
  const { status, headers } = response;
  if (text === null) return failure('huge-body', { charged: response.ok });
  // fetch is told not to follow: the key and the problem go to nobody but the configured address.
  if (status >= 300 && status < 400) return failure('redirect');
  if (!response.ok) return readStatus(status, headers, text);
  const type = headers.get('content-type');
  if (type !== null && !/^(?:application|text)\/(?:[\w.-]+\+)?json\b/i.test(type.trim()))
    return failure('content-type', { again: true, charged: true });
  return readAnswer(withoutKey(text, key), key, reader);
}

function readStatus(status: number, headers: Headers, text: string): Exchange<never> {
  if (isQuota(status, headers, text)) return { kind: 'quota', status };
  const why = CONFIGURATION.get(status);
  if (why !== undefined) return { kind: 'configuration', status, why };
  if (status === 429 || status === 529) return failure('rate-limited', { again: true });
  if (status === 408) return failure('timeout', { again: true });
  if (status >= 500) return failure('http-5xx', { again: true });
  // 400, 413, 422: this request is not to the server's taste (too long, as a rule); others may be.
  if (status === 413 || ((status === 400 || status === 422) && OVERFLOW.test(text))) return overflow(text);
  return failure(`http-${status}`);
}

/**
 * An empty account is no rate limit: waiting does not help. Some endpoints use the same words for both, but only a
 * rate limit says how long to wait.
 */
function isQuota(status: number, headers: Headers, text: string): boolean {
  if (status === 402) return true;
  if (status !== 400 && status !== 403 && status !== 429) return false;
  if (QUOTA_CODE.test(text)) return true;
  const saysWhen =
    headers.has('retry-after') || headers.has('retry-after-ms') || /retry[_ ]?(?:delay|in)/i.test(text);
  return !saysWhen && QUOTA_TEXT.test(text);
}

const CONTEXT_TOKENS =
  /(?:maximum context length|context (?:length|window|size)|max_model_len)\D{0,40}?(\d{3,9})|> (\d{3,9}) maximum/i;

function overflow(text: string): Failure {
  const found = CONTEXT_TOKENS.exec(text);
  const contextTokens = Number(found?.[1] ?? found?.[2] ?? Number.NaN);
  return {
    ...failure('context-overflow'),
    ...(contextTokens >= 512 ? { contextTokens } : {}),
  };
}

function readAnswer<T>(text: string, key: string | null, { read, unreadable }: AnswerReader<T>): Exchange<T> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return failure('bad-body', { again: true, charged: true });
  }
  const answer = read(json, key);
  if (answer !== null) return { kind: 'answer', ...answer };
  const upstream = UpstreamError.safeParse(json);
  if (!upstream.success) return failure(unreadable.failure, { again: unreadable.again, charged: true });
  const code = Number(upstream.data.error.code);
  return failure(code === 429 ? 'rate-limited' : 'http-5xx', { again: true });
}

function failure(name: AbstainClass, more: { again?: boolean; charged?: boolean } = {}): Failure {
  return { kind: 'failure', failure: name, again: more.again ?? false, charged: more.charged ?? false };
}
