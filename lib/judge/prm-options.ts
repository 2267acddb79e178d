import { badOptionOf, chatPath, type EndpointOptions, endpointClientOptions } from './endpoint-options.ts';
import { ChatLogprobsProtocol } from './prm-chat.ts';
import { PoolingProtocol } from './prm-pooling.ts';
import { type PrmEncoding, type PrmTemplate, QWEN_PRM } from './prm-prompt.ts';
import type { PrmProtocol } from './prm-protocol.ts';
import { estimateTokensHigh } from './prm-windows.ts';

/**
 * The score of a step that several windows showed. 'most-context': of the window in which it was new, which shows most
 * of what is before it. 'mean' and 'min': over all windows.
 */
export type PrmMerge = 'most-context' | 'mean' | 'min';

export interface PrmJudgeOptions extends EndpointOptions {
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
}

export interface PrmSettings {
  protocol: PrmProtocol;
  /** Whether calls are priced. */
  priced: boolean;
  model: string;
  lambda: number;
  contextTokens: number;
  countTokens: (text: string) => number;
  tailShare: number;
  merge: PrmMerge;
  /** What else the scores depend on. */
  identity: Record<string, unknown>;
}

const badOption = badOptionOf('PrmJudge');

export function prmSettings(options: PrmJudgeOptions): PrmSettings {
  const { model, lambda = 0.5, contextTokens = 4096, tailShare = 0.5, merge = 'most-context' } = options;
  const { protocol: name = 'pooling', encoding, extraBody = {}, countTokens = estimateTokensHigh } = options;
  const template = { ...QWEN_PRM, ...options.template };
  if (model === '') throw badOption('model', model, 'a model name');
  if (!(lambda >= 0 && lambda <= 1)) throw badOption('lambda', lambda, 'a number in [0, 1]');
  if (!(tailShare >= 0 && tailShare < 1)) throw badOption('tailShare', tailShare, 'a number in [0, 1)');
  if (!['most-context', 'mean', 'min'].includes(merge))
    throw badOption('merge', merge, 'most-context, mean or min');
  if (template.separator.trim() === '')
    throw badOption('template.separator', template.separator, 'a visible token');
  if (!(Number.isSafeInteger(contextTokens) && contextTokens >= 1))
    throw badOption('contextTokens', contextTokens, 'a positive integer');
  if (name !== 'pooling' && name !== 'chat-logprobs')
    throw badOption('protocol', name, 'pooling or chat-logprobs');
  const client = endpointClientOptions(options, name === 'pooling' ? poolingPath : chatPath, badOption);
  const protocol =
    name === 'pooling'
      ? new PoolingProtocol({ model, template, encoding: encoding ?? null, extraBody, client })
      : new ChatLogprobsProtocol({ model, right: '+', wrong: '-', topLogprobs: 20, extraBody, client });
  const input = { template, extraBody, separatorId: encoding?.separatorId };
  const scoring = { model, lambda, contextTokens, countTokens, tailShare, merge, identity: input };
  return { protocol, priced: client.spend !== undefined, ...scoring };
}

/** vLLM serves `/pooling` beside `/v1`, not under it. */
function poolingPath(url: URL): void {
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith('/pooling') ? path : `${path.replace(/\/v\d+$/, '')}/pooling`;
}
