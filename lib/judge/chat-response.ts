import { z } from 'zod';
import { withoutKey } from './api-key.ts';
import type { AnswerReader, CallTokens } from './exchange.ts';

/** `content` is null where the model refused or said nothing. */
export interface Completion {
  content: string | null;
  finishReason: 'stop' | 'length';
}

/** Only what is used; endpoints differ in the rest. */
const Body = z.object({
  choices: z
    .array(
      z.object({
        finish_reason: z.string().nullish(),
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
      }),
    )
    .min(1),
  usage: z
    .object({
      prompt_tokens: z.number().nullish(),
      completion_tokens: z.number().nullish(),
      prompt_tokens_details: z.object({ cached_tokens: z.number().nullish() }).nullish(),
    })
    .nullish(),
});

const LENGTH = new Set(['length', 'max_tokens', 'model_length']);
const SAFETY = new Set(['content_filter', 'safety', 'recitation', 'refusal', 'prohibited_content']);

export const completionReader: AnswerReader<Completion> = {
  read(json, key) {
    const body = Body.safeParse(json);
    if (!body.success) return null;
    const { choices, usage } = body.data;
    const { message, finish_reason } = choices[0]!;
    const finish = (finish_reason ?? 'stop').toLowerCase();
    const silent = message.refusal != null || SAFETY.has(finish) || (message.content ?? '').trim() === '';
    return {
      value: {
        // Again after parsing: JSON may have escaped some of the key's characters.
        content: silent ? null : withoutKey(message.content!, key),
        finishReason: LENGTH.has(finish) ? 'length' : 'stop',
      },
      tokens: usage == null ? null : tokensOf(usage),
    };
  },
  unreadable: { failure: 'bad-body', again: true },
};

function tokensOf(usage: NonNullable<z.infer<typeof Body>['usage']>): CallTokens {
  return {
    promptTokens: usage.prompt_tokens ?? 0,
    completionTokens: usage.completion_tokens ?? 0,
    cachedPromptTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
  };
}
