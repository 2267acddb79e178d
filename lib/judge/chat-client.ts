import { LapidaryError } from '../errors.ts';
import type { AbstainClass } from './abstain-class.ts';
import type { CallOutcome } from './adaptive-concurrency.ts';
import { readKey } from './api-key.ts';
import { type Attempt, post } from './chat-post.ts';
import type { ChatTokens, Exchange } from './chat-response.ts';
import { systemClock } from './clock.ts';
import { type CostLedger, costOf, type Reservation, type TokenPrices } from './cost-ledger.ts';
import { EndpointLimiter, type Permit } from './endpoint-limiter.ts';
import type { ChatMessage } from './llm-prompt.ts';
import { askedDelay, type RetryPolicy, retryDelay } from './retry-delay.ts';

export interface ChatClientOptions {
  url: URL;
  /** Name of the environment variable that holds the key; null: no Authorization header. */
  apiKeyEnv: string | null;
  timeoutMs: number;
  maxAttempts: number;
  retry: RetryPolicy;
  limiter?: EndpointLimiter;
  /** Absent: nothing is priced. */
  spend?: { ledger: CostLedger; prices: TokenPrices };
  /** Longest body read, after decompression. Default 8 MiB. */
  maxBodyBytes?: number;
}

/** `content` is null where the model refused or said nothing. */
export type ChatReply = (
  | { ok: true; content: string | null; finishReason: 'stop' | 'length' }
  | { ok: false; failure: AbstainClass; contextTokens?: number }
) & { usage: ChatUsage };

export interface ChatUsage extends ChatTokens {
  /** HTTP requests sent. */
  requests: number;
  /** Costs by the prices, with the worst case for answers that came without a bill; 0 without prices. */
  costUsd: number;
}

type ChatBody = { messages: ChatMessage[]; max_tokens: number } & Record<string, unknown>;

const BYTES_PER_TOKEN = 3;

/** Tokens of messages, roughly: prose has four bytes a token, LaTeX and digits fewer. */
export function estimateTokens(messages: readonly ChatMessage[]): number {
  const bytes = messages.reduce((sum, { content }) => sum + Buffer.byteLength(content) + 16, 0);
  return Math.ceil(bytes / BYTES_PER_TOKEN);
}

/**
 * Posts one question to an OpenAI-compatible chat endpoint, within its limits and the spend cap, repeating what can be
 * cured by repetition. Throws ERR_LAPIDARY_JUDGE where nothing can: a refused key, no such model, an empty account.
 */
export async function chat(
  body: ChatBody,
  options: ChatClientOptions,
  signal?: AbortSignal,
): Promise<ChatReply> {
  const key = readKey(options.apiKeyEnv);
  const { sleep, now = systemClock.now } = options.retry;
  const limiter = options.limiter ?? new EndpointLimiter({}, { now, sleep });
  const usage: ChatUsage = {
    ...{ promptTokens: 0, completionTokens: 0, cachedPromptTokens: 0 },
    ...{ requests: 0, costUsd: 0 },
  };
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    const { exchange, headers } = await attemptOnce(body, key, { ...options, limiter }, usage, signal);
    if (exchange.kind === 'completion')
      return { ok: true, content: exchange.content, finishReason: exchange.finish, usage };
    if (exchange.kind !== 'failure') throw fatal(exchange, options, limiter);
    const { failure, again, contextTokens } = exchange;
    if (!again || attempt >= options.maxAttempts)
      return { ok: false, failure, usage, ...(contextTokens === undefined ? {} : { contextTokens }) };
    // A wish to wait holds for every call to the endpoint, and was noted when it came; other pauses are this call's.
    if (askedDelay(headers, options.retry) === null)
      await options.retry.sleep(retryDelay(attempt, null, options.retry), signal);
  }
}

async function attemptOnce(
  body: ChatBody,
  key: string | null,
  options: ChatClientOptions & { limiter: EndpointLimiter },
  usage: ChatUsage,
  signal: AbortSignal | undefined,
): Promise<Attempt> {
  const estimate = { promptTokens: estimateTokens(body.messages), completionTokens: body.max_tokens };
  const { spend, limiter } = options;
  const reservation = await spend?.ledger.reserve(costOf(estimate, spend.prices), signal);
  if (reservation === null) {
    const exchange: Exchange = { kind: 'failure', failure: 'spend-cap', again: false, charged: false };
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
  let attempt: Attempt;
  try {
    attempt = await post(JSON.stringify(body), key, options, signal);
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
  exchange: Exchange,
  call: {
    reservation: Reservation | undefined;
    permit: Permit;
    usage: ChatUsage;
    estimate: { promptTokens: number; completionTokens: number };
    options: ChatClientOptions;
  },
): void {
  const { reservation, permit, usage, estimate, options } = call;
  const tokens = exchange.kind === 'completion' ? exchange.tokens : null;
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
  const charged = exchange.kind === 'completion' || (exchange.kind === 'failure' && exchange.charged);
  if (charged) usage.costUsd += reservation?.settleUnknown() ?? 0;
  else reservation?.release();
  permit.settle(outcomeOf(exchange), charged ? estimate.promptTokens + estimate.completionTokens : 0);
}

function outcomeOf(exchange: Exchange): CallOutcome {
  if (exchange.kind === 'completion') return 'success';
  if (exchange.kind !== 'failure') return 'other';
  return exchange.failure === 'rate-limited' || exchange.failure === 'timeout' ? 'overload' : 'other';
}

function fatal(
  exchange: Extract<Exchange, { kind: 'configuration' | 'quota' }>,
  options: ChatClientOptions,
  limiter: EndpointLimiter,
): LapidaryError {
  // The body is left out: some servers repeat the key in it. So is the query, which may hold one.
  const where = `${options.url.origin}${options.url.pathname}: HTTP ${exchange.status}`;
  const from = options.apiKeyEnv === null ? 'no key was sent' : `the key came from ${options.apiKeyEnv}`;
  if (exchange.kind === 'configuration')
    return new LapidaryError('ERR_LAPIDARY_JUDGE', `${where}: ${exchange.why} (${from})`);
  const problem = `${where}: the account's quota or credit is used up (${from}); this is no rate limit, waiting does not help`;
  const error = new LapidaryError('ERR_LAPIDARY_JUDGE', problem);
  limiter.close(error);
  return error;
}
