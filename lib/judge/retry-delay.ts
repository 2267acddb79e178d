export interface RetryPolicy {
  /** Ends early, rejecting with signal.reason, when the signal aborts. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Uniform in [0, 1). */
  random: () => number;
  /** Milliseconds since 1970. Default: the system's clock. */
  now?: () => number;
}

const BASE_MS = 500;
const MAX_BACKOFF_MS = 30_000;
/** A server may ask for hours; past this the work goes on elsewhere and the step abstains. */
const MAX_RETRY_AFTER_MS = 60_000;

/** Milliseconds before attempt `attempt + 1` (attempts count from 1): Retry-After if given, else jittered backoff. */
export function retryDelay(attempt: number, headers: Headers | null, policy: RetryPolicy): number {
  return askedDelay(headers, policy) ?? backoff(attempt, policy);
}

/** What the server asks for by `retry-after-ms` or `Retry-After`, at most a minute; null where it asks for nothing. */
export function askedDelay(headers: Headers | null, policy: RetryPolicy): number | null {
  const asked = headers === null ? null : retryAfter(headers, policy.now ?? Date.now);
  return asked === null ? null : Math.min(asked, MAX_RETRY_AFTER_MS);
}

function backoff(attempt: number, policy: RetryPolicy): number {
  const ceiling = Math.min(BASE_MS * 2 ** (attempt - 1), MAX_BACKOFF_MS);
  return ceiling * (0.5 + policy.random() / 2);
}

/** `retry-after-ms`, or `Retry-After` as seconds or as a date; null where neither can be read. */
function retryAfter(headers: Headers, now: () => number): number | null {
  const milliseconds = positive(headers.get('retry-after-ms'));
  if (milliseconds !== null) return milliseconds;
  const header = headers.get('retry-after');
  const seconds = positive(header);
  if (seconds !== null) return seconds * 1000;
  const date = header === null ? Number.NaN : Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, date - now());
}

function positive(text: string | null): number | null {
  if (text === null || text.trim() === '') return null;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : null;
}

export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, milliseconds);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
