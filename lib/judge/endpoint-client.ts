import { LapidaryError } from '../errors.ts';
import type { AbstainClass } from './abstain-class.ts';
import type { CallOutcome } from './adaptive-concurrency.ts';
import { readKey } from './api-key.ts';
import { type CostLedger, costOf, type Reservation, type TokenPrices } from './cost-ledger.ts';
import type { EndpointLimiter, Permit } from './endpoint-limiter.ts';
import { type Attempt, post } from './endpoint-post.ts';
import type { AnswerReader, CallTokens, Exchange } from './exchange.ts';
import { askedDelay, type RetryPolicy, retryDelay } from './retry-delay.ts';

export interface EndpointClientOptions {
  url: URL;
  /** Name of the environment variable that holds the key; null: no Authorization header. */
  apiKeyEnv: string | null;
  timeoutMs: number;
  maxAttempts: number;
  retry: RetryPolicy;
  limiter: EndpointLimiter;
  /** Absent: nothing is priced. */
  spend?: { ledger: CostLedger; prices: TokenPrices };
  /** Longest body read, after decompression. Default 8 MiB. */
  maxBodyBytes?: number;
}

export interface CallUsage extends CallTokens {
  /** HTTP requests sent. */
  requests: number;
  /** Costs by the prices, with the worst case for answers that came without a bill; 0 without prices. */
  costUsd: number;
}

export type EndpointReply<T> = (
  | { ok: true; value: T }
  | { ok: false; failure: AbstainClass; contextTokens?: number }
) & { usage: CallUsage };

/** The worst case of a question, for the buckets and the spend cap. */
export interface TokenEstimate {
  promptTokens: number;
  completionTokens: number;
}

const BYTES_PER_TOKEN = 3;

/** Tokens of a text, roughly: prose has four bytes a token, LaTeX and digits fewer. */
export function estimateTextTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

export interface EndpointQuestion<T> {
  body: unknown;
  estimate: TokenEstimate;
  reader: AnswerReader<T>;
}

/**
 * Posts one question to a JSON endpoint, within its limits and the spend cap, repeating what can be cured by
 * repetition. Throws ERR_LAPIDARY_JUDGE where nothing can: a refused key, no such model, an empty account.
 */
export async function askEndpoint<T>(
  question: EndpointQuestion<T>,
  options: EndpointClientOptions,
  signal?: AbortSignal,
): Promise<EndpointReply<T>> {
  const key = readKey(options.apiKeyEnv);
  const usage: CallUsage = {
    ...{ promptTokens: 0, completionTokens: 0, cachedPromptTokens: 0 },
    ...{ requests: 0, costUsd: 0 },
  };
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const { exchange, headers } = await attemptOnce(question, key, options, usage, signal);
    if (exchange.kind === 'answer') return { ok: true, value: exchange.value, usage };
    if (exchange.kind !== 'failure') throw fatal(exchange, options);
    const { failure, again, contextTokens } = exchange;
    if (!again || attempt >= options.maxAttempts)
      return { ok: false, failure, usage, ...(contextTokens === undefined ? {} : { contextTokens }) };
    // A wish to wait holds for every call to the endpoint, and was noted when it came; other pauses are this call's.
    if (askedDelay(headers, options.retry) === null)
      await options.retry.sleep(retryDelay(attempt, null, options.retry), signal);
  }
}

async function attemptOnce<T>(
  { body, estimate, reader }: EndpointQuestion<T>,
  key: string | null,
  options: EndpointClientOptions,
  usage: CallUsage,
  signal: AbortSignal | undefined,
): Promise<Attempt<T>> {
  const { spend, limiter } = options;
  const reservation = await spend?.ledger.reserve(costOf(estimate, spend.prices), signal);
  if (reservation === null) {
    const exchange = { kind: 'failure', failure: 'spend-cap', again: false, charged: false } as const;
    return { exchange, headers: null };
  }
  let permit: Permit;
  try {
    permit = await limiter.admit(estimate.promptTokens + estimate.completionTokens, signal);
  } catch (error) {
    reservation?.release();
    throw error;
  }
  usage.requests++;
  let attempt: Attempt<T>;
  try {
    attempt = await post(JSON.stringify(body), key, { ...options, reader }, signal);
  } catch (error) {
    // Aborted by the caller: the request was sent, so it may be charged.
    permit.settle('other', estimate.promptTokens);
    reservation?.settleUnknown();
    throw error;
  }
  const asked = askedDelay(attempt.headers, options.retry);
  if (asked !== null && attempt.exchange.kind === 'failure' && attempt.exchange.again) limiter.pause(asked);
  book(attempt.exchange, { reservation, permit, usage, estimate, options });
  return attempt;
}

function book(
  exchange: Exchange<unknown>,
  call: {
    reservation: Reservation | undefined;
    permit: Permit;
    usage: CallUsage;
    estimate: TokenEstimate;
    options: EndpointClientOptions;
  },
): void {
  const { reservation, permit, usage, estimate, options } = call;
  const tokens = exchange.kind === 'answer' ? exchange.tokens : null;
  if (tokens !== null) {
    usage.promptTokens += tokens.promptTokens;
    usage.completionTokens += tokens.completionTokens;
    usage.cachedPromptTokens += tokens.cachedPromptTokens;
    const cost = options.spend === undefined ? 0 : costOf(tokens, options.spend.prices);
    usage.costUsd += cost;
    reservation?.settle(cost);
    permit.settle('success', tokens.promptTokens + tokens.completionTokens);
    return;
  }
  const charged = exchange.kind === 'answer' || (exchange.kind === 'failure' && exchange.charged);
  if (charged) usage.costUsd += reservation?.settleUnknown() ?? 0;
  else reservation?.release();
  permit.settle(outcomeOf(exchange), charged ? estimate.promptTokens + estimate.completionTokens : 0);
}

function outcomeOf(exchange: Exchange<unknown>): CallOutcome {
  if (exchange.kind === 'answer') return 'success';
  if (exchange.kind !== 'failure') return 'other';
  return exchange.failure === 'rate-limited' || exchange.failure === 'timeout' ? 'overload' : 'other';
}

function fatal(
  exchange: Extract<Exchange<never>, { kind: 'configuration' | 'quota' }>,
  options: EndpointClientOptions,
): LapidaryError {
  // The body is left out: some servers repeat the key in it. So is the query, which may hold one.
  const where = `${options.url.origin}${options.url.pathname}: HTTP ${exchange.status}`;
  const from = options.apiKeyEnv === null ? 'no key was sent' : `the key came from ${options.apiKeyEnv}`;
  if (exchange.kind === 'configuration')
    return new LapidaryError('ERR_LAPIDARY_JUDGE', `${where}: ${exchange.why} (${from})`);
  const problem = `${where}: the account's quota or credit is used up (${from}); this is no rate limit, waiting does not help`;
  const error = new LapidaryError('ERR_LAPIDARY_JUDGE', problem);
  options.limiter.close(error);
  return error;
}
