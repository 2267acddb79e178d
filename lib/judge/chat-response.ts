import { z } from 'zod';
import type { AbstainClass } from './abstain-class.ts';
import { withoutKey } from './api-key.ts';

/** Tokens of one call as the endpoint counts them. */
export interface ChatTokens {
  promptTokens: number;
  completionTokens: number;
  cachedPromptTokens: number;
}

/** What one HTTP exchange came to. */
export type Exchange =
  | { kind: 'completion'; content: string | null; finish: 'stop' | 'length'; tokens: ChatTokens | null }
  /** `charged`: whether the endpoint may have charged for it. */
  | { kind: 'failure'; failure: AbstainClass; again: boolean; charged: boolean; contextTokens?: number }
  /** Repetition cures it for no request. */
  | { kind: 'configuration'; status: number; why: string }
  | { kind: 'quota'; status: number };

/** Only what is used; endpoints differ in the rest. */
const Completion = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: z.number().nullish(),
      completion_tokens: z.number().nullish(),
      prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
    })
    .nullish(),
});
/** Gateways pass an upstream's error on with status 200. */
const UpstreamError = z.object({ error: z.object({ code: z.union([z.number(), z.string()]).nullish() }) });

/** Statuses that no repetition cures and that concern every request alike. */
const CONFIGURATION = new Map([
  [401, 'the key is missing or not accepted'],
  [403, 'the key may not use this endpoint or model'],
  [404, 'there is no such endpoint or model'],
]);
const LENGTH = new Set(['length', 'max_tokens', 'model_length']);
const SAFETY = new Set(['content_filter', 'safety', 'recitation', 'refusal', 'prohibited_content']);
const QUOTA_CODE = /insufficient_quota|billing_hard_limit_reached|billing_not_active/i;
const QUOTA_TEXT =
  /exceeded your current quota|credit balance is too low|insufficient (?:balance|credits|funds)|out of credits|billing/i;
const OVERFLOW =
  /context[_ -]?(?:length|window|size)|maximum context|max_model_len|prompt is too long|too many (?:input )?tokens|(?:input|prompt|request)[^.]{0,40}too (?:long|large)|reduce the length/i;

/** Reads an answer that arrived whole. `text` is null where the body was longer than allowed. */
export function readExchange(response: Response, text: string | null, key: string | null): Exchange {
  const { status, headers } = response;
  if (text === null) return failure('huge-body', { charged: response.ok });
  // fetch is told not to follow: the key and the problem go to nobody but the configured address.
  if (status >= 300 && status < 400) return failure('redirect');
  if (!response.ok) return readStatus(status, headers, text);
  const type = headers.get('content-type');
  if (type !== null && !/^(?:application|text)\/(?:[\w.-]+\+)?json\b/i.test(type.trim()))
    return failure('content-type', { again: true, charged: true });
  return readCompletion(withoutKey(text, key), key);
}

function readStatus(status: number, headers: Headers, text: string): Exchange {
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

function overflow(text: string): Exchange {
  const found = CONTEXT_TOKENS.exec(text);
  const contextTokens = Number(found?.[1] ?? found?.[2] ?? Number.NaN);
  return {
    ...failure('context-overflow'),
    ...(contextTokens >= 512 ? { contextTokens } : {}),
  };
}

function readCompletion(text: string, key: string | null): Exchange {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return failure('bad-body', { again: true, charged: true });
  }
  const completion = Completion.safeParse(value);
  if (!completion.success) return readNoCompletion(value);
  const { choices, usage } = completion.data;
  const { message, finish_reason } = choices[0]!;
  const finish = (finish_reason ?? 'stop').toLowerCase();
  const silent = message.refusal != null || SAFETY.has(finish) || (message.content ?? '').trim() === '';
  return {
    kind: 'completion',
    // Again after parsing: JSON may have escaped some of the key's characters.
    content: silent ? null : withoutKey(message.content!, key),
    finish: LENGTH.has(finish) ? 'length' : 'stop',
    tokens: usage == null ? null : tokensOf(usage),
  };
}

function readNoCompletion(value: unknown): Exchange {
  const upstream = UpstreamError.safeParse(value);
  if (!upstream.success) return failure('bad-body', { again: true, charged: true });
  const code = Number(upstream.data.error.code);
  if (code === 429) return failure('rate-limited', { again: true });
  return failure('http-5xx', { again: true });
}

function tokensOf(usage: NonNullable<z.infer<typeof Completion>['usage']>): ChatTokens {
  return {
    promptTokens: usage.prompt_tokens ?? 0,
    completionTokens: usage.completion_tokens ?? 0,
    cachedPromptTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}

function failure(
  name: AbstainClass,
  more: { again?: boolean; charged?: boolean } = {},
): Exchange & { kind: 'failure' } {
  return { kind: 'failure', failure: name, again: more.again ?? false, charged: more.charged ?? false };
}
