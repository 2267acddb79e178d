import { z } from 'zod';
import { dataError } from '../errors.ts';
import { ChatMessage, textOf } from './chat-prompt.ts';
import type { RowPlace, Sample } from './collect-samples.ts';
import { withoutColumns } from './gold-answer.ts';

const TokenIds = z.array(z.number().int().min(0));

/** Chat completions have `content`, text completions the two lists. */
const Logprobs = z.looseObject({
  content: z.array(z.looseObject({ token: z.string().nullish(), logprob: z.number() })).nullish(),
  tokens: z.array(z.string()).nullish(),
  token_logprobs: z.array(z.number()).nullish(),
});

const Choice = z.looseObject({
  index: z.number().int().min(0).nullish(),
  text: z.string().nullish(),
  message: z
    .looseObject({
      content: ChatMessage.shape.content.nullish(),
      reasoning_content: z.string().nullish(),
      reasoning: z.string().nullish(),
      tool_calls: z.array(z.unknown()).nullish(),
    })
    .nullish(),
  finish_reason: z.string().nullish(),
  logprobs: Logprobs.nullish(),
  /** vLLM, with return_token_ids: the ids as sampled. */
  token_ids: TokenIds.nullish(),
  prompt_token_ids: TokenIds.nullish(),
});
type Choice = z.infer<typeof Choice>;

/** A chat or text completion, of OpenAI or of vLLM. */
export const OpenaiResponse = z.looseObject({
  choices: z.array(Choice).min(1),
  model: z.string().nullish(),
  prompt_token_ids: TokenIds.nullish(),
});
export type OpenaiResponse = z.infer<typeof OpenaiResponse>;

const READ = ['index', 'text', 'message', 'finish_reason', 'logprobs', 'token_ids', 'prompt_token_ids'];

export function sampleOfChoice(choice: Choice, response: OpenaiResponse, place: RowPlace): Sample {
  const path = `choices[${response.choices.indexOf(choice)}]`;
  const scored = scoredTokens(choice);
  return {
    text: textOfChoice(choice, path, place),
    promptIds: choice.prompt_token_ids ?? response.prompt_token_ids,
    ids: choice.token_ids ?? idsFromNames(scored?.tokens),
    logprobs: scored?.logprobs,
    finishReason: choice.finish_reason,
    fields: { ids: `${path}.token_ids`, logprobs: `${path}.logprobs` },
    kept: withoutColumns(choice, READ),
  };
}

function textOfChoice({ message, text }: Choice, path: string, { file, line }: RowPlace): string {
  if (message == null) {
    if (text == null) throw dataError(file, line, `${path}.message`, 'is missing, and so is text');
    return text;
  }
  if ((message.reasoning_content ?? message.reasoning ?? '') !== '') {
    const problem =
      'holds reasoning that the server cut out of the response, so text and tokens no longer agree; ' +
      'sample without a reasoning parser';
    throw dataError(file, line, `${path}.message`, problem);
  }
  if (message.tool_calls != null && message.tool_calls.length > 0) {
    throw dataError(file, line, `${path}.message.tool_calls`, 'is not empty; tool calls are not supported');
  }
  return textOf(message.content ?? '');
}

interface ScoredTokens {
  tokens: readonly (string | null | undefined)[];
  logprobs: readonly number[];
}

function scoredTokens({ logprobs }: Choice): ScoredTokens | undefined {
  const { content, tokens, token_logprobs } = logprobs ?? {};
  if (token_logprobs != null) return { tokens: tokens ?? [], logprobs: token_logprobs };
  if (content == null) return undefined;
  return { tokens: content.map((entry) => entry.token), logprobs: content.map((entry) => entry.logprob) };
}

const NAMED_BY_ID = /^token_id:(\d+)$/;

/** vLLM's return_tokens_as_token_ids writes each token as "token_id:N"; other servers write its text. */
function idsFromNames(tokens: ScoredTokens['tokens'] | undefined): number[] | undefined {
  if (tokens === undefined || tokens.length === 0) return undefined;
  const ids = tokens.map((token) => NAMED_BY_ID.exec(token ?? '')?.[1]);
  return ids.every((id) => id !== undefined) ? ids.map(Number) : undefined;
}
