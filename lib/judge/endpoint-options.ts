import { LapidaryError } from '../errors.ts';
import { systemClock } from './clock.ts';
import { CostLedger, type TokenPrices } from './cost-ledger.ts';
import type { EndpointClientOptions } from './endpoint-client.ts';
import { EndpointLimiter, type EndpointLimits } from './endpoint-limiter.ts';
import { type RetryPolicy, sleep } from './retry-delay.ts';

/** What every judge behind an endpoint can be told about it. */
export interface EndpointOptions {
  endpoint: string;
  /** Name of the environment variable that holds the API key. Absent: no key is sent. */
  apiKeyEnv?: string;
  /** For one HTTP request, body included. Default 120,000. */
  timeoutMs?: number;
  /** HTTP requests for one question before it is given up. Default 5. */
  maxAttempts?: number;
  /** Limits of this judge's own, or a limiter shared with other judges of the endpoint. */
  limits?: EndpointLimits | EndpointLimiter;
  /** Without prices no cost is known, and no cap can be held. */
  prices?: TokenPrices;
  /** Cap in US dollars on this judge alone; for one cap over several judges give them one ledger. */
  maxUsd?: number;
  ledger?: CostLedger;
  /** For tests: how to wait, how to tell the time and how to draw the jitter. */
  retry?: Partial<RetryPolicy>;
}

/** The error for a wrong option, in the name of the judge that was given it. */
export type BadOption = (option: string, given: unknown, expected: string) => LapidaryError;

export function badOptionOf(judge: string): BadOption {
  return (option, given, expected) => {
    const problem = `${judge}: ${option}: got ${String(given)}; expected ${expected}`;
    return new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: option });
  };
}

/** Checks the options and puts the defaults in their places; `addressed` gives the base address its path. */
export function endpointClientOptions(
  options: EndpointOptions,
  addressed: (url: URL) => void,
  badOption: BadOption,
): EndpointClientOptions {
  const { limits = {}, prices, maxUsd, timeoutMs = 120_000, maxAttempts = 5 } = options;
  for (const [name, value] of Object.entries({ timeoutMs, maxAttempts })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) throw badOption(name, value, 'a positive integer');
  }
  const url = baseUrl(options.endpoint, badOption);
  addressed(url);
  const retry = { sleep, random: Math.random, now: systemClock.now, ...options.retry };
  const limiter = limits instanceof EndpointLimiter ? limits : new EndpointLimiter(limits, retry);
  const ledger = options.ledger ?? new CostLedger(maxUsd === undefined ? {} : { maxUsd });
  if (maxUsd !== undefined && options.ledger !== undefined)
    throw badOption('maxUsd', maxUsd, 'no cap beside a ledger, which has its own');
  if (ledger.maxUsd !== null && prices === undefined)
    throw badOption('prices', prices, 'prices: a spend cap cannot be held without them');
  for (const [name, value] of Object.entries(prices ?? {})) {
    if (!(Number.isFinite(value) && value >= 0))
      throw badOption(`prices.${name}`, value, 'US dollars per million tokens');
  }
  return {
    ...{ url, apiKeyEnv: options.apiKeyEnv ?? null, timeoutMs, maxAttempts, retry, limiter },
    ...(prices === undefined ? {} : { spend: { ledger, prices } }),
  };
}

function baseUrl(endpoint: string, badOption: BadOption): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    // The address is not repeated: it may hold a password.
    throw badOption('endpoint', '…', 'an http or https address without user name or password');
  }
  return url;
}

/** "http://host:8000", ".../v1" and the whole address all lead to the chat endpoint. */
export function chatPath(url: URL): void {
  const path = url.pathname.replace(/\/+$/, '');
  if (path.endsWith('/chat/completions')) return;
  url.pathname = /\/v\d+$/.test(path) ? `${path}/chat/completions` : `${path}/v1/chat/completions`;
}
