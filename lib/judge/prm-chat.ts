import { z } from 'zod';
import { estimateTokens } from './chat-client.ts';
import { askEndpoint, type CallUsage, type EndpointClientOptions } from './endpoint-client.ts';
import type { AnswerReader } from './exchange.ts';
import type { ChatMessage } from './llm-prompt.ts';
import {
  addCallUsage,
  noCallUsage,
  type PrmAnswer,
  type PrmProtocol,
  type PrmQuestion,
} from './prm-protocol.ts';

export interface ChatLogprobsProtocolOptions {
  model: string;
  /** The two answers, each one token. Default "+" and "-". */
  right: string;
  wrong: string;
  /** Alternatives asked for at the answer's position. Default 20. */
  topLogprobs: number;
  extraBody: Readonly<Record<string, unknown>>;
  client: EndpointClientOptions;
}

const Entry = z.object({ token: z.string(), logprob: z.number() });
const Completion = z.object({
  choices: z
    .array(
      z.object({
        logprobs: z.object({ content: z.array(z.object({ top_logprobs: z.array(Entry) })).min(1) }),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: z.number().nullish(), completion_tokens: z.number().nullish() }).nullish(),
});

/**
 * The form of the RLHFlow reward models, over any chat endpoint with log-probs: every step is a user turn that an
 * assistant turn "+" answers, and the score is P(+) / (P(+) + P(-)) at the next answer. One request of one token per
 * step; endpoints with prefix caching share the work.
 */
export class ChatLogprobsProtocol implements PrmProtocol {
  readonly name = 'chat-logprobs-v1';
  readonly requestPerStep = true;
  readonly #options: ChatLogprobsProtocolOptions;

  constructor(options: ChatLogprobsProtocolOptions) {
    this.#options = options;
  }

  frame(problem: string): string {
    return `${problem} ${TURN}`;
  }

  stepText(step: string): string {
    return `${step}${TURN}${this.#options.right}${TURN}`;
  }

  async ask({ problem, steps, scored }: PrmQuestion, signal?: AbortSignal): Promise<PrmAnswer> {
    const scores: (number | string | null)[] = steps.slice(0, scored).map(() => null);
    const usage = noCallUsage();
    for (let k = scored; k < steps.length; k++)
      scores.push(await this.#askStep(problem, steps.slice(0, k + 1), usage, signal));
    return { ok: true, scores, usage };
  }

  async #askStep(
    problem: string,
    steps: readonly string[],
    usage: CallUsage,
    signal: AbortSignal | undefined,
  ): Promise<number | string> {
    const { model, right, topLogprobs, extraBody, client } = this.#options;
    const messages = steps.flatMap((step, k): ChatMessage[] => [
      { role: 'user', content: k === 0 ? `${problem} ${step}` : step },
      ...(k + 1 < steps.length ? [{ role: 'assistant' as const, content: right }] : []),
    ]);
    const ask = { max_tokens: 1, temperature: 0, logprobs: true, top_logprobs: topLogprobs };
    const estimate = { promptTokens: estimateTokens(messages), completionTokens: 1 };
    const question = { body: { model, messages, ...ask, ...extraBody }, estimate, reader };
    const reply = await askEndpoint(question, client, signal);
    addCallUsage(usage, reply.usage);
    return reply.ok ? this.#score(reply.value) : reply.failure;
  }

  /** An answer below the alternatives listed counts as impossible; with neither there is no score. */
  #score(alternatives: readonly z.infer<typeof Entry>[]): number | string {
    const mass = (answer: string) =>
      alternatives
        .filter(({ token }) => token.trim() === answer)
        .reduce((sum, { logprob }) => sum + Math.exp(logprob), 0);
    const [right, wrong] = [mass(this.#options.right), mass(this.#options.wrong)];
    const score = right / (right + wrong);
    return score >= 0 && score <= 1 ? score : 'invalid-score: neither answer among the alternatives';
  }
}

/** What the endpoint listed at the answer's position. */
const reader: AnswerReader<z.infer<typeof Entry>[]> = {
  read(json) {
    const completion = Completion.safeParse(json);
    if (!completion.success) return null;
    const { choices, usage } = completion.data;
    const value = choices[0]!.logprobs.content[0]!.top_logprobs;
    if (usage?.prompt_tokens == null) return { value, tokens: null };
    const completionTokens = usage.completion_tokens ?? 1;
    return { value, tokens: { promptTokens: usage.prompt_tokens, completionTokens, cachedPromptTokens: 0 } };
  },
  unreadable: { failure: 'malformed', again: false },
};

/** Stands for the tokens around a turn when a text's length is estimated. */
const TURN = '<|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>';
