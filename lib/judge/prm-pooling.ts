import { LapidaryError } from '../errors.ts';
import {
  askEndpoint,
  type CallUsage,
  type EndpointClientOptions,
  estimateTextTokens,
} from './endpoint-client.ts';
import type { AnswerReader } from './exchange.ts';
import { escapeStep, frame, type PrmEncoding, type PrmTemplate, prmInput } from './prm-prompt.ts';
import {
  addCallUsage,
  noCallUsage,
  type PrmAnswer,
  type PrmProtocol,
  type PrmQuestion,
} from './prm-protocol.ts';
import { readPooling, type ScoreShape, scoresOf, shapeOf } from './prm-scores.ts';

export interface PoolingProtocolOptions {
  model: string;
  template: PrmTemplate;
  encoding: PrmEncoding | null;
  /** Further fields of the request, such as `{ task: 'token_classify' }`. */
  extraBody: Readonly<Record<string, unknown>>;
  client: EndpointClientOptions;
}

const PROBE = {
  problem: 'What is 1 + 1 + 1?',
  steps: ['First, 1 + 1 = 2.', 'Then, 2 + 1 = 3.', 'The answer is \\boxed{3}.'],
};

/**
 * vLLM's `POST /pooling`, which gives one score per separator in the input. Servers and their versions differ in how
 * they write the scores, and some give one for the whole input, so the first use sends three steps and learns the form;
 * a server that does not answer them with three probabilities is refused.
 */
export class PoolingProtocol implements PrmProtocol {
  readonly name = 'pooling-v1';
  readonly requestPerStep = false;
  readonly #options: PoolingProtocolOptions;
  #probe: Promise<ScoreShape | { failure: string }> | null = null;

  constructor(options: PoolingProtocolOptions) {
    this.#options = options;
  }

  frame(problem: string): string {
    return frame(problem, this.#options.template).join('');
  }

  stepText(step: string): string {
    return escapeStep(step, this.#options.template) + this.#options.template.separator;
  }

  async ask({ problem, steps }: PrmQuestion, signal?: AbortSignal): Promise<PrmAnswer> {
    // The probe is paid by the question that sent it.
    const usage = noCallUsage();
    const shape = await this.#shape(usage, signal);
    if (typeof shape === 'object') return { ok: false, failure: shape.failure, usage };
    const reply = await this.#post(problem, steps, usage, signal);
    if ('failure' in reply) return { ok: false, failure: reply.failure, usage };
    const scores = scoresOf(reply.data, shape, steps.length);
    if (typeof scores === 'string') return { ok: false, failure: scores, usage };
    return { ok: true, scores: scores.map((score) => score ?? 'invalid-score'), usage };
  }

  /** Learnt once; a probe that could not be sent is sent again by the next question. */
  async #shape(usage: CallUsage, signal: AbortSignal | undefined): Promise<ScoreShape | { failure: string }> {
    for (;;) {
      signal?.throwIfAborted();
      const mine = this.#probe === null;
      const probe = this.#probe ?? this.#learn(usage, signal);
      this.#probe = probe;
      try {
        const shape = await probe;
        if (typeof shape === 'object' && this.#probe === probe) this.#probe = null;
        return shape;
      } catch (error) {
        if (this.#probe === probe) this.#probe = null;
        // Another question's abort is no concern of this one.
        if (mine || LapidaryError.isInstance(error)) throw error;
      }
    }
  }

  async #learn(usage: CallUsage, signal: AbortSignal | undefined): Promise<ScoreShape | { failure: string }> {
    const reply = await this.#post(PROBE.problem, PROBE.steps, usage, signal);
    if ('failure' in reply) return reply;
    const count = PROBE.steps.length;
    const shape = shapeOf(reply.data, count);
    if (shape === null)
      throw this.#refusal(`expected ${count} scores for ${count} separators, got ${describe(reply.data)}`);
    const scores = scoresOf(reply.data, shape, count);
    if (typeof scores === 'string' || scores.includes(null)) {
      throw this.#refusal(`the scores are no probabilities: ${JSON.stringify(reply.data).slice(0, 200)}`);
    }
    return shape;
  }

  async #post(
    problem: string,
    steps: readonly string[],
    usage: CallUsage,
    signal: AbortSignal | undefined,
  ): Promise<{ data: unknown } | { failure: string }> {
    const { model, template, encoding, extraBody, client } = this.#options;
    const input = prmInput(problem, steps, template, encoding);
    // The text brings its own special tokens.
    const body = { model, input, ...(encoding === null ? { add_special_tokens: false } : {}), ...extraBody };
    const promptTokens = typeof input === 'string' ? estimateTextTokens(input) : input.length;
    const question = { body, estimate: { promptTokens, completionTokens: 0 }, reader };
    const reply = await askEndpoint(question, client, signal);
    addCallUsage(usage, reply.usage);
    return reply.ok ? reply.value : { failure: reply.failure };
  }

  #refusal(problem: string): LapidaryError {
    const { model, client } = this.#options;
    const where = `${client.url.origin}${client.url.pathname}`;
    const remedy = 'Is it a process reward model with step pooling, and is the separator its own?';
    return new LapidaryError('ERR_LAPIDARY_JUDGE', `${where}: model ${model}: ${problem}. ${remedy}`);
  }
}

const reader: AnswerReader<{ data: unknown }> = {
  read: readPooling,
  unreadable: { failure: 'malformed', again: false },
};

/** "2 numbers", "3 × 5 numbers". */
function describe(data: unknown): string {
  const sizes: number[] = [];
  for (let level = data; Array.isArray(level); level = level[0]) sizes.push(level.length);
  return sizes.length === 0 ? `a ${typeof data}` : `${sizes.join(' × ')} numbers`;
}
