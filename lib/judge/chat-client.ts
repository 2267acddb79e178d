import { z } from 'zod';
import { LapidaryError } from '../errors.ts';
import type { ChatMessage } from './llm-prompt.ts';
import type { AbstainClass } from './parse-llm-verdicts.ts';
import { type RetryPolicy, retryDelay } from './retry-delay.ts';

export interface ChatClientOptions {
  url: URL;
  /** Name of the environment variable that holds the key; null: no Authorization header. */
  apiKeyEnv: string | null;
  timeoutMs: number;
  maxAttempts: number;
  retry: RetryPolicy;
}

/** `content` is null where the model refused or said nothing. */
export type ChatReply =
  | { ok: true; content: string | null; finishReason: string | null; usage: ChatUsage }
  | { ok: false; failure: AbstainClass };

export interface ChatUsage {
  promptTokens: number;
  completionTokens: number;
}

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
  usage: z.object({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() }).nullish(),
});

/** Statuses that no repetition cures and that concern every request alike. */
const CONFIGURATION = new Map([
  [401, 'the key is missing or not accepted'],
  [403, 'the key may not use this endpoint or model'],
  [404, 'there is no such endpoint or model'],
]);
type Attempt = ChatReply | { retry: AbstainClass; headers: Headers | null };

/** Posts one request to an OpenAI-compatible chat endpoint, repeating what can be cured by repetition. */
export async function chat(
  body: { messages: ChatMessage[] } & Record<string, unknown>,
  options: ChatClientOptions,
  signal?: AbortSignal,
): Promise<ChatReply> {
  const key = readKey(options.apiKeyEnv);
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const result = await post(JSON.stringify(body), key, options, signal);
    if (!('retry' in result)) return result;
    if (attempt >= options.maxAttempts) return { ok: false, failure: result.retry };
    await options.retry.sleep(retryDelay(attempt, result.headers, options.retry), signal);
  }
}

async function post(
  body: string,
  key: string | null,
  options: ChatClientOptions,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (key !== null) headers.authorization = `Bearer ${key}`;
  try {
    const response = await fetch(options.url, { method: 'POST', headers, body, signal: either });
    // Read in any case: an unread body keeps the connection.
    const text = await response.text();
    if (response.ok) return readCompletion(withoutKey(text, key));
    return readStatus(response, options);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    if (LapidaryError.isInstance(error)) throw error;
    return { retry: timeout.aborted ? 'timeout' : 'network', headers: null };
  }
}

function readStatus(response: Response, options: ChatClientOptions): Attempt {
  const { status, headers } = response;
  const configuration = CONFIGURATION.get(status);
  if (configuration !== undefined) {
    // The body is left out: some servers repeat the key in it. So is the query, which may hold one.
    const where = `${options.url.origin}${options.url.pathname}`;
    const from = options.apiKeyEnv === null ? 'no key was sent' : `the key came from ${options.apiKeyEnv}`;
    throw new LapidaryError('ERR_LAPIDARY_JUDGE', `${where}: HTTP ${status}: ${configuration} (${from})`);
  }
  if (status === 429 || status === 529) return { retry: 'rate-limited', headers };
  if (status === 408) return { retry: 'timeout', headers };
  if (status >= 500) return { retry: 'http-5xx', headers };
  // 400, 413, 422: this request is not to the server's taste (too long, as a rule); others may be.
  return { ok: false, failure: `http-${status}` };
}

function readCompletion(text: string): ChatReply {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { ok: true, content: text, finishReason: null, usage: { promptTokens: 0, completionTokens: 0 } };
  }
  const completion = Completion.safeParse(value);
  if (!completion.success) return { ok: false, failure: 'malformed' };
  const { choices, usage } = completion.data;
  const { message, finish_reason } = choices[0]!;
  const silent = message.refusal != null || finish_reason === 'content_filter';
  return {
    ok: true,
    content: silent || (message.content ?? '').trim() === '' ? null : message.content!,
    finishReason: finish_reason ?? null,
    usage: { promptTokens: usage?.prompt_tokens ?? 0, completionTokens: usage?.completion_tokens ?? 0 },
  };
}

/** Should a server echo the key, it must not end up in a stored reason. Placeholders ("EMPTY") are ordinary words. */
function withoutKey(text: string, key: string | null): string {
  return key === null || key.length < 12 ? text : text.replaceAll(key, '[key]');
}

/** The key is read when it is needed and never kept, so that no dump of the judge shows it. */
function readKey(variable: string | null): string | null {
  if (variable === null) return null;
  const key = process.env[variable]?.trim();
  if (key === undefined || key === '') {
    throw new LapidaryError('ERR_LAPIDARY_JUDGE', `apiKeyEnv: environment variable ${variable} is not set`, {
      argument: 'apiKeyEnv',
    });
  }
  // Checked here because fetch would quote a bad header, key and all, in its error.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    const problem = `apiKeyEnv: environment variable ${variable} holds characters that no key can have`;
    throw new LapidaryError('ERR_LAPIDARY_JUDGE', problem, { argument: 'apiKeyEnv' });
  }
  return key;
}
