import { z } from 'zod';
import type { Prompt } from './records.ts';

const TextPart = z.looseObject({ type: z.literal('text'), text: z.string() });
export const ChatMessage = z.looseObject({
  role: z.string().min(1),
  content: z.union([z.string(), z.array(TextPart)]),
});
export const ChatMessages = z.array(ChatMessage).min(1);

/** A prompt as text (one user message) or as a chat. */
export const TextOrChat = z.union([z.string(), ChatMessages]);

export function messagesOf(prompt: z.infer<typeof TextOrChat>): Prompt['messages'] {
  if (typeof prompt === 'string') return [{ role: 'user', content: prompt }];
  return prompt.map(({ role, content }) => ({ role, content: textOf(content) }));
}

export function textOf(content: z.infer<typeof ChatMessage>['content']): string {
  return typeof content === 'string' ? content : content.map((part) => part.text).join('');
}
