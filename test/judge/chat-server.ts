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

/** Verdicts; what prompt version 2 wants beside them is filled in where an entry does not say it. */
export function verdicts(entries: object[], more: { finish?: string } = {}): Behaviour {
  return says(JSON.stringify({ judgements: entries.map(withDetails) }), more);
}

export function withDetails(entry: object): object {
  const wrong = (entry as { verdict?: string }).verdict === 'wrong';
  return { error_type: wrong ? 'calculation' : 'none', faulty_span: null, depends_on: [], ...entry };
}

/** The one-based indices that a question asks verdicts for, read from its last line like a model would. */
export function askedIndices(request: ChatRequest): number[] {
  const text: string = request.body.messages[1].content;
  const all = /one for each index from 1 to (\d+)\./.exec(text);
  const listed = all === null ? /one for each of these indices: ([\d, -]+)\./.exec(text)![1]! : `1-${all[1]}`;
  return listed.split(', ').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/** Judges each step asked about by its text, as shown in the prompt. */
export function judges(verdictOf: (text: string, index: number) => string): Behaviour {
  return (response, request, socket) => {
    const text: string = request.body.messages[1].content;
    const entries = askedIndices(request).map((index) => {
      const step = new RegExp(`<step_${index}_(\\w{12})>\n([^]*?)\n</step_${index}_\\1>`).exec(text);
      const verdict = verdictOf(step![2]!, index);
      return { index, reason: `because ${index}`, recovers: false, verdict };
    });
    verdicts(entries)(response, request, socket);
  };
}

export function status(code: number, headers: Record<string, string> = {}, body = 'no'): Behaviour {
  return (response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
}

/** A body of this many bytes that starts like a completion and never ends it. */
export function endless(bytes: number): Behaviour {
  return (response) => {
    response.setHeader('content-type', 'application/json');
    response.write('{"choices": [{"message": {"content": "');
    const chunk = 'x'.repeat(64 * 1024);
    let sent = 0;
    const more = () => {
      while (sent < bytes && !response.destroyed) {
        sent += chunk.length;
        if (!response.write(chunk)) return void response.once('drain', more);
      }
      response.end();
    };
    more();
  };
}

export const hangs: Behaviour = () => {};
export const resets: Behaviour = (_response, _request, socket) => {
  socket.resetAndDestroy();
};
