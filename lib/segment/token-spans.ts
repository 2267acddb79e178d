import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { encodeUtf8 } from '../tokenizer/utf8.ts';
import type { Span } from './segmenter.ts';

/**
 * The token span of each step, over the stored ids. Every token belongs to exactly one step, by one rule: the step
 * that holds the first non-whitespace character of which the token has a byte. A token without one (whitespace,
 * part of a whitespace character, a special token without bytes) belongs to the step of the token before it,
 * leading ones to the first step.
 *
 * The spans are contiguous and cover [0, ids.length), except for an empty text, which has no steps. A step can get
 * an empty span (start equal to end): when one token covers it together with the step before, or when it is
 * whitespace only. Throws ERR_LAPIDARY_DATA where the ids do not spell the text, at the byte where they part.
 */
export function tokenSpans(
  text: string,
  spans: readonly Span[],
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
): Span[] {
  checkCover(text, spans);
  const { bytes, characters } = utf8Map(text);
  /** Tokens per step; order is kept because the first character of a token never moves left. */
  const counts = new Array<number>(spans.length).fill(0);
  let step = 0;
  let offset = 0;
  for (let i = 0; i < ids.length; i++) {
    const token = tokenizer.bytesOf(ids[i]!);
    checkBytes(bytes, offset, token, i);
    const end = offset + token.length;
    const character = firstVisible(text, characters, offset, end);
    if (character >= 0) while (character >= spans[step]!.end) step++;
    if (spans.length > 0) counts[step]!++;
    offset = end;
  }
  if (offset !== bytes.length) {
    throw mismatch(offset, `the ids end after ${offset} bytes, the text has ${bytes.length}`);
  }
  let start = 0;
  return counts.map((count) => {
    const span = { start, end: start + count };
    start = span.end;
    return span;
  });
}

/** The bytes of the text, and for each byte the index of the character (UTF-16) it is part of. */
function utf8Map(text: string): { bytes: Uint8Array; characters: Uint32Array } {
  const bytes = encodeUtf8(text, 'response_text');
  const characters = new Uint32Array(bytes.length);
  let at = 0;
  for (let i = 0; i < text.length; ) {
    const code = text.codePointAt(i)!;
    const size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    characters.fill(i, at, at + size);
    at += size;
    i += code < 0x10000 ? 1 : 2;
  }
  return { bytes, characters };
}

function firstVisible(text: string, characters: Uint32Array, from: number, to: number): number {
  for (let i = from; i < to; i++) {
    const character = characters[i]!;
    if (!/\s/.test(text.charAt(character))) return character;
  }
  return -1;
}

function checkBytes(bytes: Uint8Array, offset: number, token: Uint8Array, index: number): void {
  for (let i = 0; i < token.length; i++) {
    const expected = bytes[offset + i];
    if (expected === token[i]) continue;
    const found = `token ${index} has byte ${token[i]}`;
    throw mismatch(
      offset + i,
      expected === undefined ? `${found}, the text has ended` : `${found}, the text ${expected}`,
    );
  }
}

function mismatch(at: number, detail: string): LapidaryError {
  return new LapidaryError(
    'ERR_LAPIDARY_DATA',
    `response_ids: do not decode to the text: at byte ${at} ${detail}`,
    {
      argument: 'response_ids',
    },
  );
}

function checkCover(text: string, spans: readonly Span[]): void {
  let at = 0;
  for (const [k, span] of spans.entries()) {
    if (span.start !== at || span.end <= span.start) {
      throw coverError(`span ${k} is [${span.start}, ${span.end}): expected a non-empty span from ${at}`);
    }
    at = span.end;
  }
  if (at !== text.length) throw coverError(`they end at ${at}, the text at ${text.length}`);
}

function coverError(problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `spans: do not cover the text: ${problem}`, {
    argument: 'spans',
  });
}
