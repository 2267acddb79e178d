import { contentId } from '../data/ids.ts';
import { LapidaryError } from '../errors.ts';
import { type ChatReply, chat } from './chat-client.ts';
import type { Judge, JudgeRequest, JudgeResponse, JudgeUsage, StepJudgement } from './judge.ts';
import {
  type ChatMessage,
  judgePrompt,
  PROMPT_VERSIONS,
  type PromptVersion,
  reaskPrompt,
  verdictSchema,
} from './llm-prompt.ts';
import { abstainAll, parseLlmVerdicts } from './parse-llm-verdicts.ts';
import { type RetryPolicy, sleep } from './retry-delay.ts';

export interface LlmJudgeOptions {
  /** Base address of an OpenAI-compatible server ("http://host:8000", ".../v1") or of its chat endpoint. */
  endpoint: string;
  model: string;
  /** Name of the environment variable that holds the API key. Absent: no key is sent. */
  apiKeyEnv?: string;
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
  /** For tests: how to wait and how to draw the jitter. */
  retry?: Partial<RetryPolicy>;
}

/**
 * Asks a language model for an intrinsic verdict on every step of a response, in one call. Whatever goes wrong with
 * an answer turns into abstentions with the class as reason; only a configuration that can never work (401, 403, 404,
 * no key) throws ERR_LAPIDARY_JUDGE.
 */
export class LlmJudge implements Judge {
  readonly id: string;
  readonly #options: Required<Omit<LlmJudgeOptions, 'apiKeyEnv' | 'retry' | 'endpoint'>>;
  readonly #client: Parameters<typeof chat>[1];

  constructor(options: LlmJudgeOptions) {
    const { endpoint, apiKeyEnv, retry, ...rest } = options;
    this.#options = {
      promptVersion: 'v1',
      timeoutMs: 120_000,
      maxAttempts: 5,
      temperature: 0,
      maxTokens: 8192,
      includeGroundTruth: true,
      responseFormat: 'json_schema',
      ...rest,
    };
    const { model, promptVersion, temperature, maxTokens, includeGroundTruth, timeoutMs, maxAttempts } =
      this.#options;
    if (!PROMPT_VERSIONS.includes(promptVersion))
      throw badOption('promptVersion', promptVersion, PROMPT_VERSIONS.join(', '));
    for (const [name, value] of Object.entries({ timeoutMs, maxAttempts, maxTokens })) {
      if (!(Number.isSafeInteger(value) && value >= 1)) throw badOption(name, value, 'a positive integer');
    }
    if (model === '') throw badOption('model', model, 'a model name');
    const settings = contentId({ temperature, maxTokens, includeGroundTruth }).slice(0, 8);
    this.id = `llm:${model}:${promptVersion}:${settings}`;
    this.#client = {
      url: chatUrl(endpoint),
      apiKeyEnv: apiKeyEnv ?? null,
      timeoutMs,
      maxAttempts,
      retry: { sleep, random: Math.random, ...retry },
    };
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}): Promise<JudgeResponse> {
    options.signal?.throwIfAborted();
    const usage: JudgeUsage = { promptTokens: 0, completionTokens: 0, seconds: 0 };
    if (request.steps.length === 0) return { judgements: [], usage };
    const started = performance.now();
    const judgements = await this.#ask(request, usage, options.signal);
    usage.seconds = (performance.now() - started) / 1000;
    return { judgements, usage };
  }

  /** One question and, after a reply that is no list of verdicts, one more. */
  async #ask(
    request: JudgeRequest,
    usage: JudgeUsage,
    signal: AbortSignal | undefined,
  ): Promise<StepJudgement[]> {
    const count = request.steps.length;
    const messages = judgePrompt(request, this.#options);
    for (let asked = 1; ; asked++) {
      const reply = await chat(this.#body(messages, count), this.#client, signal);
      if (reply.ok) addUsage(usage, reply);
      const read = readReply(reply, count);
      if (Array.isArray(read)) return read;
      if (asked === 2) return abstainAll(count, 'malformed');
      messages.push(...reaskMessages(reply, read.problem, count));
    }
  }

  #body(messages: ChatMessage[], count: number): Parameters<typeof chat>[0] {
    const { model, temperature, maxTokens, responseFormat } = this.#options;
    const body = { model, messages, temperature, max_tokens: maxTokens };
    if (responseFormat === 'none') return body;
    if (responseFormat === 'json_object') return { ...body, response_format: { type: 'json_object' } };
    const json_schema = { name: 'step_verdicts', strict: true, schema: verdictSchema(count) };
    return { ...body, response_format: { type: 'json_schema', json_schema } };
  }
}

function readReply(reply: ChatReply, count: number): StepJudgement[] | { problem: string } {
  if (!reply.ok) {
    return reply.failure === 'malformed'
      ? { problem: 'it was not a chat completion' }
      : abstainAll(count, reply.failure);
  }
  // Before parsing: a list cut short could still look complete up to its cut.
  if (reply.finishReason === 'length') return abstainAll(count, 'truncated');
  if (reply.content === null) return abstainAll(count, 'refusal');
  const parsed = parseLlmVerdicts(reply.content, count);
  return parsed.ok ? parsed.judgements : { problem: parsed.problem };
}

const ECHO_CHARACTERS = 4000;

function reaskMessages(reply: ChatReply, problem: string, count: number): ChatMessage[] {
  const ask: ChatMessage = { role: 'user', content: reaskPrompt(problem, count) };
  if (!reply.ok || reply.content === null) return [ask];
  return [{ role: 'assistant', content: reply.content.slice(0, ECHO_CHARACTERS) }, ask];
}

function addUsage(total: JudgeUsage, reply: ChatReply & { ok: true }): void {
  total.promptTokens += reply.usage.promptTokens;
  total.completionTokens += reply.usage.completionTokens;
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
