import { type Completion, completionReader } from './chat-response.ts';
import {
  askEndpoint,
  type EndpointClientOptions,
  type EndpointReply,
  estimateTextTokens,
} from './endpoint-client.ts';
import type { ChatMessage } from './llm-prompt.ts';

type ChatBody = { messages: ChatMessage[]; max_tokens: number } & Record<string, unknown>;

/** Role and marks around a message. */
const MESSAGE_BYTES = ' '.repeat(16);

/** Tokens of messages, roughly. */
export function estimateTokens(messages: readonly ChatMessage[]): number {
  return estimateTextTokens(messages.map(({ content }) => content + MESSAGE_BYTES).join(''));
}

/** Posts one question to an OpenAI-compatible chat endpoint. */
export function chat(
  body: ChatBody,
  options: EndpointClientOptions,
  signal?: AbortSignal,
): Promise<EndpointReply<Completion>> {
  const estimate = { promptTokens: estimateTokens(body.messages), completionTokens: body.max_tokens };
  return askEndpoint({ body, estimate, reader: completionReader }, options, signal);
}
