import { contentId } from '../data/ids.ts';
import { type AnswerReader, type Exchange, readExchange } from './exchange.ts';

export interface Attempt<T> {
  exchange: Exchange<T>;
  /** Null where no answer came. */
  headers: Headers | null;
}

const MAX_BODY_BYTES = 8 << 20;

/** One HTTP exchange. Rejects only with the signal's reason. */
export async function post<T>(
  body: string,
  key: string | null,
  options: { url: URL; timeoutMs: number; maxBodyBytes?: number; reader: AnswerReader<T> },
  signal: AbortSignal | undefined,
): Promise<Attempt<T>> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  // An endpoint that knows the header answers a repeated question from memory instead of charging twice.
  headers['idempotency-key'] = contentId([options.url.href, body]).slice(0, 32);
  if (key !== null) headers.authorization = `Bearer ${key}`;
  let response: Response;
  let text: string | null;
  try {
    response = await fetch(options.url, {
      ...{ method: 'POST', headers, body, signal: either, redirect: 'manual' },
    });
    text = await readBody(response, options.maxBodyBytes ?? MAX_BODY_BYTES);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    const failure = timeout.aborted ? 'timeout' : 'network';
    const charged = !neverArrived(error);
    return { exchange: { kind: 'failure', failure, again: true, charged }, headers: null };
  }
  return { exchange: readExchange(response, text, key, options.reader), headers: response.headers };
}

/** Whether no connection came about, so that nothing can have been charged. */
function neverArrived(error: unknown): boolean {
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  return ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH'].includes(code);
}

/** The whole body, read in any case since an unread one keeps the connection; null where it is too long. */
async function readBody(response: Response, maxBytes: number): Promise<string | null> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the stream and closes the connection.
    if (bytes > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
