import { createReadStream } from 'node:fs';
import { dataError, LapidaryError } from '../errors.ts';

/** V8 strings end at about 512 MiB; a line this long is a broken file, and is refused before memory runs out. */
const MAX_LINE_BYTES = 256 * 1024 * 1024;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

export interface TextLine {
  text: string;
  /** Counts from 1, blank lines included. */
  line: number;
}

/**
 * The lines of a UTF-8 file, one at a time: `\n` or `\r\n`, with or without a last newline, a leading byte order
 * mark removed. Lines are split as bytes and decoded whole, so no character is torn by a read boundary.
 */
export async function* readLines(path: string): AsyncGenerator<TextLine> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let line = 1;
  for await (const chunk of chunksOf(path)) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      yield { text: decodeLine(parts, path, line), line };
      parts = [];
      bytes = 0;
      line++;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    bytes += chunk.length - start;
    if (bytes > MAX_LINE_BYTES)
      throw dataError(path, line, 'row', `line is longer than ${MAX_LINE_BYTES} bytes`);
  }
  if (parts.length > 0) yield { text: decodeLine(parts, path, line), line };
}

async function* chunksOf(path: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function decodeLine(parts: Buffer[], path: string, line: number): string {
  let bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  if (bytes.at(-1) === CARRIAGE_RETURN) bytes = bytes.subarray(0, -1);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return line === 1 && text.startsWith('\ufeff') ? text.slice(1) : text;
  } catch (cause) {
    const error = dataError(path, line, 'row', 'line is not valid UTF-8');
    error.cause = cause;
    throw error;
  }
}
