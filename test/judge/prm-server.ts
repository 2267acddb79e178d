import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface PrmRequest {
  path: string;
  headers: IncomingHttpHeaders;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads whatever the client sent
  body: any;
}

export type PrmBehaviour = (response: ServerResponse, request: PrmRequest) => void;

/** A real HTTP server; its n-th request meets the n-th behaviour, all further ones the last. */
export async function prmServer(
  ...behaviours: PrmBehaviour[]
): Promise<{ endpoint: string; requests: PrmRequest[] }> {
  const requests: PrmRequest[] = [];
  const server = createServer(async (message, response) => {
    let text = '';
    for await (const chunk of message) text += chunk;
    const request = { path: message.url ?? '', headers: message.headers, body: JSON.parse(text) };
    requests.push(request);
    behaviours[Math.min(requests.length, behaviours.length) - 1]!(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** What stands between the separators of a text input: the steps. */
export function stepsSent(request: PrmRequest): string[] {
  const assistant = (request.body.input as string).split('<|im_start|>assistant\n')[1]!;
  return assistant.split('<extra_0>').slice(0, -1);
}

/** Answers as vLLM does; `write` turns the scores of the steps into its nested list. */
export function pooling(score: (step: string) => unknown, write = pairs): PrmBehaviour {
  return (response, request) => sendPooling(response, write(stepsSent(request).map(score)));
}

export const pairs = (scores: unknown[]): unknown =>
  scores.map((score) => (typeof score === 'number' ? [1 - score, score] : [0.5, score]));

export function sendPooling(response: ServerResponse, data: unknown): void {
  response.setHeader('content-type', 'application/json');
  const entry = { index: 0, object: 'pooling', data };
  response.end(JSON.stringify({ id: 'pool-1', object: 'list', data: [entry], usage: { prompt_tokens: 50 } }));
}

export function status(code: number, headers: Record<string, string> = {}, body = 'no'): PrmBehaviour {
  return (response) => {
    response.writeHead(code, headers);
    response.end(body);
  };
}

export function raw(body: string, type = 'application/json'): PrmBehaviour {
  return (response) => {
    response.setHeader('content-type', type);
    response.end(body);
  };
}

export const hangs: PrmBehaviour = () => {};
/** Promises more than it sends and closes. */
export const cutsOff: PrmBehaviour = (response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' });
  response.write('{"data": [');
  setTimeout(() => response.destroy(), 10);
};
