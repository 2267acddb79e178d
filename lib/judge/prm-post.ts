import { LapidaryError } from '../errors.ts';
import { readKey } from './api-key.ts';
import { type RetryPolicy, retryDelay } from './retry-delay.ts';

export interface PostOptions {
  url: URL;
  /** Name of the environment variable that holds the key; null: no Authorization header. */
  apiKeyEnv: string | null;
  timeoutMs: number;
  maxAttempts: number;
  retry: RetryPolicy;
}

/** The parsed body of a 2xx answer, or the class of what went wrong. */
export type Posted = { ok: true; value: unknown } | { ok: false; failure: string };

type Attempt = Posted | { retry: string; headers: Headers | null };

const MAX_BODY_BYTES = 8 << 20;
const OVERFLOW = /maximum context|context length|max_model_len|longer than the maximum|too long/i;
/** Statuses that no repetition cures and that concern every request alike. */
const CONFIGURATION = new Map([
  [401, 'the key is missing or not accepted'],
  [403, 'the key may not use this endpoint or model'],
  [404, 'there is no such endpoint or model'],
]);

/**
 * Posts JSON and repeats what repetition can cure: 408, 429, 5xx, time-outs, broken connections and bodies. Throws
 * ERR_LAPIDARY_JUDGE for what concerns every request alike, and the signal's reason.
 */
export async function postJson(body: unknown, options: PostOptions, signal?: AbortSignal): Promise<Posted> {
  const text = JSON.stringify(body);
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const result = await post(text, options, signal);
    if (!('retry' in result)) return result;
    if (attempt >= options.maxAttempts) return { ok: false, failure: result.retry };
    await options.retry.sleep(retryDelay(attempt, result.headers, options.retry), signal);
  }
}

async function post(body: string, options: PostOptions, signal: AbortSignal | undefined): Promise<Attempt> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  const key = readKey(options.apiKeyEnv);
  if (key !== null) headers.authorization = `Bearer ${key}`;
  let response: Response;
  let text: string | null;
  try {
    response = await fetch(options.url, {
      method: 'POST',
      headers,
      body,
      signal: either,
      redirect: 'manual',
    });
    text = await readBody(response);
  } catch {
    if (signal?.aborted === true) throw signal.reason;
    return { retry: timeout.aborted ? 'timeout' : 'network', headers: null };
  }
  if (text === null) return { ok: false, failure: 'huge-body' };
  return response.ok ? readValue(text, response.headers) : readStatus(response, text, options);
}

/** Read whole, since an unread body keeps the connection; null where it is too long. */
async function readBody(response: Response): Promise<string | null> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function readValue(text: string, headers: Headers): Attempt {
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch {
    const type = headers.get('content-type') ?? '';
    return { retry: /html/i.test(type) ? 'content-type' : 'bad-body', headers };
  }
}

function readStatus({ status, headers }: Response, text: string, options: PostOptions): Attempt {
  const configuration = CONFIGURATION.get(status);
  if (configuration !== undefined) {
    // The body is left out: some servers repeat the key in it. So is the query, which may hold one.
    const where = `${options.url.origin}${options.url.pathname}`;
    const from = options.apiKeyEnv === null ? 'no key was sent' : `the key came from ${options.apiKeyEnv}`;
    throw new LapidaryError('ERR_LAPIDARY_JUDGE', `${where}: HTTP ${status}: ${configuration} (${from})`);
  }
  if (status >= 300 && status < 400) return { ok: false, failure: 'redirect' };
  if (status === 429 || status === 529) return { retry: 'rate-limited', headers };
  if (status === 408) return { retry: 'timeout', headers };
  if (status >= 500) return { retry: 'http-5xx', headers };
  if (status === 413 || OVERFLOW.test(text)) return { ok: false, failure: 'context-overflow' };
  return { ok: false, failure: `http-${status}` };
}
