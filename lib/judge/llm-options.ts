import { contentId } from '../data/ids.ts';
import { LapidaryError } from '../errors.ts';
import type { ChatClientOptions } from './chat-client.ts';
import { systemClock } from './clock.ts';
import { CostLedger, type TokenPrices } from './cost-ledger.ts';
import { EndpointLimiter, type EndpointLimits } from './endpoint-limiter.ts';
import { PROMPT_VERSIONS, type PromptVersion } from './llm-prompt.ts';
import { type RetryPolicy, sleep } from './retry-delay.ts';

export interface LlmJudgeOptions {
  /** Base address of an OpenAI-compatible server ("http://host:8000", ".../v1") or of its chat endpoint. */
  endpoint: string;
  model: string;
  /** Name of the environment variable that holds the API key. Absent: no key is sent. */
  apiKeyEnv?: string;
  /** Default "v2". */
  promptVersion?: PromptVersion;
  /** For one HTTP request, body included. Default 120,000. */
  timeoutMs?: number;
  /** HTTP requests for one question before it is given up. Default 5. */
  maxAttempts?: number;
  /** Default 0. */
  temperature?: number;
  /** Cap on the reply. Default 8,192: about 60 tokens a step for 130 steps. */
  maxTokens?: number;
  /** Whether the judge sees the gold answer. Default true. */
  includeGroundTruth?: boolean;
  /** How the reply's form is asked for; "none" for servers that know no response_format. Default "json_schema". */
  responseFormat?: 'json_schema' | 'json_object' | 'none';
  /** Steps judged by one question; the whole solution is shown each time. Default: all. */
  maxStepsPerCall?: number;
  /** The model's context, prompt and reply together. Default: learnt from the endpoint's refusal. */
  contextTokens?: number;
  /** Characters of earlier steps shown before a window. Default 2,000. */
  contextCharacters?: number;
  /** Asked, at the same endpoint, what `model` refuses to answer. Default: none. */
  secondModel?: string;
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

export interface LlmSettings {
  model: string;
  promptVersion: PromptVersion;
  temperature: number;
  maxTokens: number;
  includeGroundTruth: boolean;
  responseFormat: 'json_schema' | 'json_object' | 'none';
  maxStepsPerCall: number;
  contextTokens: number | null;
  contextCharacters: number;
  secondModel: string | null;
}

/** Checks the options and puts the defaults in their places. Every problem is ERR_LAPIDARY_ARGUMENT. */
export function llmSettings(options: LlmJudgeOptions): LlmSettings {
  checkPositive(options);
  const settings: LlmSettings = {
    model: options.model,
    promptVersion: options.promptVersion ?? 'v2',
    temperature: options.temperature ?? 0,
    maxTokens: options.maxTokens ?? 8192,
    includeGroundTruth: options.includeGroundTruth ?? true,
    responseFormat: options.responseFormat ?? 'json_schema',
    maxStepsPerCall: options.maxStepsPerCall ?? Number.POSITIVE_INFINITY,
    contextTokens: options.contextTokens ?? null,
    contextCharacters: options.contextCharacters ?? 2000,
    secondModel: options.secondModel ?? null,
  };
  if (!PROMPT_VERSIONS.includes(settings.promptVersion))
    throw badOption('promptVersion', settings.promptVersion, PROMPT_VERSIONS.join(', '));
  if (settings.model === '') throw badOption('model', settings.model, 'a model name');
  if (settings.secondModel === '') throw badOption('secondModel', '', 'a model name');
  if (!(settings.contextCharacters >= 0))
    throw badOption('contextCharacters', settings.contextCharacters, 'a number of at least 0');
  return settings;
}

function checkPositive(options: LlmJudgeOptions): void {
  const { timeoutMs, maxAttempts, maxTokens, maxStepsPerCall, contextTokens } = options;
  const counts = { timeoutMs, maxAttempts, maxTokens, maxStepsPerCall, contextTokens };
  for (const [name, value] of Object.entries(counts)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw badOption(name, value, 'a positive integer');
  }
}

/** Names every setting that can change a verdict. */
export function llmJudgeId(options: LlmJudgeOptions, settings: LlmSettings): string {
  const { model, promptVersion, temperature, maxTokens, includeGroundTruth } = settings;
  const { maxStepsPerCall, contextTokens, contextCharacters, secondModel } = options;
  const rest = { maxStepsPerCall, contextTokens, contextCharacters, secondModel };
  const hash = contentId({ temperature, maxTokens, includeGroundTruth, ...rest }).slice(0, 8);
  return `llm:${model}:${promptVersion}:${hash}`;
}

export function chatClientOptions(options: LlmJudgeOptions): ChatClientOptions {
  const retry = { sleep, random: Math.random, now: systemClock.now, ...options.retry };
  const { limits = {}, prices, maxUsd } = options;
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
    url: chatUrl(options.endpoint),
    apiKeyEnv: options.apiKeyEnv ?? null,
    timeoutMs: options.timeoutMs ?? 120_000,
    maxAttempts: options.maxAttempts ?? 5,
    retry,
    limiter,
    ...(prices === undefined ? {} : { spend: { ledger, prices } }),
  };
}

function chatUrl(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    const problem = 'LlmJudge: endpoint: expected an http or https address without user name or password';
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'endpoint' });
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (!path.endsWith('/chat/completions')) {
    url.pathname = /\/v\d+$/.test(path) ? `${path}/chat/completions` : `${path}/v1/chat/completions`;
  }
  return url;
}

function badOption(option: string, given: unknown, expected: string): LapidaryError {
  const problem = `LlmJudge: ${option}: got ${String(given)}; expected ${expected}`;
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: option });
}
