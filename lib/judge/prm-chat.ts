import { z } from 'zod';
import { type PostOptions, postJson } from './prm-post.ts';
import type { PrmAnswer, PrmProtocol, PrmQuestion } from './prm-protocol.ts';

export interface ChatLogprobsProtocolOptions {
  model: string;
  /** The two answers, each one token. Default "+" and "-". */
  right: string;
  wrong: string;
  /** Alternatives asked for at the answer's position. Default 20. */
  topLogprobs: number;
  extraBody: Readonly<Record<string, unknown>>;
  post: PostOptions;
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
  usage: z.object({ prompt_tokens: z.number().nullish() }).nullish(),
});

/**
 * The form of the RLHFlow reward models, over any chat endpoint with log-probs: every step is a user turn that an
 * assistant turn "+" answers, and the score is P(+) / (P(+) + P(-)) at the next answer. One request of one token per
 * step; endpoints with prefix caching share the work.
 */
export class ChatLogprobsProtocol implements PrmProtocol {
  readonly name = 'chat-logprobs-v1';
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
    let promptTokens = 0;
    for (let k = scored; k < steps.length; k++) {
      const reply = await this.#askStep(problem, steps.slice(0, k + 1), signal);
      promptTokens += reply.promptTokens;
      scores.push(reply.score);
    }
    return { ok: true, scores, promptTokens };
  }

  async #askStep(
    problem: string,
    steps: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<{ score: number | string; promptTokens: number }> {
    const { model, right, topLogprobs, extraBody, post } = this.#options;
    const messages = steps.flatMap((step, k) => [
      { role: 'user', content: k === 0 ? `${problem} ${step}` : step },
      ...(k + 1 < steps.length ? [{ role: 'assistant', content: right }] : []),
    ]);
    const ask = { max_tokens: 1, temperature: 0, logprobs: true, top_logprobs: topLogprobs };
    const posted = await postJson({ model, messages, ...ask, ...extraBody }, post, signal);
    if (!posted.ok) return { score: posted.failure, promptTokens: 0 };
    const completion = Completion.safeParse(posted.value);
    if (!completion.success) return { score: 'malformed', promptTokens: 0 };
    const { choices, usage } = completion.data;
    const score = this.#score(choices[0]!.logprobs.content[0]!.top_logprobs);
    return { score, promptTokens: usage?.prompt_tokens ?? 0 };
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

/** Stands for the tokens around a turn when a text's length is estimated. */
const TURN = '<|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>';
