import { LapidaryError } from '../errors.ts';
import { ChatLogprobsProtocol } from './prm-chat.ts';
import { PoolingProtocol } from './prm-pooling.ts';
import { type PrmEncoding, type PrmTemplate, QWEN_PRM } from './prm-prompt.ts';
import type { PrmProtocol } from './prm-protocol.ts';
import { estimateTokensHigh } from './prm-windows.ts';
import { type RetryPolicy, sleep } from './retry-delay.ts';

/**
 * The score of a step that several windows showed. 'most-context': of the window in which it was new, which shows most
 * of what is before it. 'mean' and 'min': over all windows.
 */
export type PrmMerge = 'most-context' | 'mean' | 'min';

export interface PrmJudgeOptions {
  /** Base address of the server. */
  endpoint: string;
  model: string;
  /** 'pooling': vLLM's `/pooling`. 'chat-logprobs': P("+") against P("-") over a chat endpoint. Default 'pooling'. */
  protocol?: 'pooling' | 'chat-logprobs';
  /** A step is right from this score up. Choose it by `chooseLambda`. Default 0.5. */
  lambda?: number;
  template?: Partial<PrmTemplate>;
  /** Sends token ids instead of text. */
  encoding?: PrmEncoding;
  /** Longest input in tokens. Default 4096. */
  contextTokens?: number;
  /** Should err high. Default: an estimate from the characters. */
  countTokens?: (text: string) => number;
  /** Share of the room for steps that earlier steps may take in all windows but the first. Default 0.5. */
  tailShare?: number;
  merge?: PrmMerge;
  /** Further fields of every request. */
  extraBody?: Readonly<Record<string, unknown>>;
  /** Name of the environment variable that holds the key; absent: none is sent. */
  apiKeyEnv?: string;
  /** Default 120,000. */
  timeoutMs?: number;
  /** Default 5. */
  maxAttempts?: number;
  /** How to wait and how to draw the jitter. */
  retry?: Partial<RetryPolicy>;
}

export interface PrmSettings {
  protocol: PrmProtocol;
  model: string;
  lambda: number;
  contextTokens: number;
  countTokens: (text: string) => number;
  tailShare: number;
  merge: PrmMerge;
  /** What else the scores depend on. */
  identity: Record<string, unknown>;
}

export function prmSettings(options: PrmJudgeOptions): PrmSettings {
  const { model, lambda = 0.5, contextTokens = 4096, tailShare = 0.5, merge = 'most-context' } = options;
  const { protocol: name = 'pooling', encoding, extraBody = {}, countTokens = estimateTokensHigh } = options;
  const template = { ...QWEN_PRM, ...options.template };
  const { timeoutMs = 120_000, maxAttempts = 5 } = options;
  if (model === '') throw badOption('model', model, 'a model name');
  if (!(lambda >= 0 && lambda <= 1)) throw badOption('lambda', lambda, 'a number in [0, 1]');
  if (!(tailShare >= 0 && tailShare < 1)) throw badOption('tailShare', tailShare, 'a number in [0, 1)');
  if (!['most-context', 'mean', 'min'].includes(merge))
    throw badOption('merge', merge, 'most-context, mean or min');
  if (template.separator.trim() === '')
    throw badOption('template.separator', template.separator, 'a visible token');
  for (const [option, value] of Object.entries({ contextTokens, timeoutMs, maxAttempts })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) throw badOption(option, value, 'a positive integer');
  }
  const post = {
    url: endpointUrl(options.endpoint, name),
    apiKeyEnv: options.apiKeyEnv ?? null,
    ...{ timeoutMs, maxAttempts, retry: { sleep, random: Math.random, ...options.retry } },
  };
  const protocol =
    name === 'pooling'
      ? new PoolingProtocol({ model, template, encoding: encoding ?? null, extraBody, post })
      : new ChatLogprobsProtocol({ model, right: '+', wrong: '-', topLogprobs: 20, extraBody, post });
  const input = { template, extraBody, separatorId: encoding?.separatorId };
  return { protocol, model, lambda, contextTokens, countTokens, tailShare, merge, identity: input };
}

/** vLLM serves `/pooling` beside `/v1`, not under it. */
function endpointUrl(endpoint: string, protocol: 'pooling' | 'chat-logprobs'): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : null;
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw badOption('endpoint', '…', 'an http or https address without user name or password');
  }
  if (protocol !== 'pooling' && protocol !== 'chat-logprobs') {
    throw badOption('protocol', protocol, 'pooling or chat-logprobs');
  }
  const path = url.pathname.replace(/\/+$/, '');
  if (protocol === 'pooling') {
    url.pathname = path.endsWith('/pooling') ? path : `${path.replace(/\/v\d+$/, '')}/pooling`;
  } else if (!path.endsWith('/chat/completions')) {
    url.pathname = /\/v\d+$/.test(path) ? `${path}/chat/completions` : `${path}/v1/chat/completions`;
  }
  return url;
}

function badOption(option: string, given: unknown, expected: string): LapidaryError {
  const problem = `PrmJudge: ${option}: got ${String(given)}; expected ${expected}`;
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: option });
}
