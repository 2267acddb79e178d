import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ChatRequest {
  path: string;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the client sent
  body: any;
}

export type Behaviour = (response: ServerResponse, request: ChatRequest, socket: Socket) => void;

/** A real HTTP server that answers its n-th request by the n-th behaviour, the last one for all further ones. */
export async function chatServer(
  ...behaviours: Behaviour[]
): Promise<{ endpoint: string; requests: ChatRequest[] }> {
  const requests: ChatRequest[] = [];
  const server = createServer(async (message, response) => {
    let text = '';
    for await (const chunk of message) text += chunk;
    const request = { path: message.url ?? '', headers: message.headers, body: JSON.parse(text) };
    requests.push(request);
    behaviours[Math.min(requests.length, behaviours.length) - 1]!(response, request, message.socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** A chat completion with this content. */
export function says(content: string | null, more: { finish?: string; refusal?: string } = {}): Behaviour {
  return (response) => {
    const message = { role: 'assistant', content, refusal: more.refusal ?? null };
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        choices: [{ index: 0, message, finish_reason: more.finish ?? 'stop' }],
        usage: { prompt_tokens: 100, completion_tokens: 7 },
      }),
    );
  };
}

export function verdicts(entries: object[], more: { finish?: string } = {}): Behaviour {
  return says(JSON.stringify({ judgements: entries }), more);
}

export function status(code: number, headers: Record<string, string> = {}, body = 'no'): Behaviour {
  return (response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
}

export const hangs: Behaviour = () => {};
export const resets: Behaviour = (_response, _request, socket) => {
  socket.resetAndDestroy();
};
