import { LapidaryError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

const encoder = new TextEncoder();

/** UTF-8 bytes of a text; refuses a lone surrogate, which TextEncoder would silently turn into U+FFFD. */
export function encodeUtf8(text: string, argument = 'text'): Uint8Array {
  const at = loneSurrogate(text);
  if (at >= 0) {
    const unit = text.charCodeAt(at).toString(16).toUpperCase();
    throw new LapidaryError(
      'ERR_LAPIDARY_DATA',
      `${argument}: lone surrogate U+${unit} at character ${at}: it has no UTF-8 form, so the text would not round-trip`,
      { argument },
    );
  }
  return encoder.encode(text);
}

/** The bytes of all tokens in order. */
export function bytesOfTokens(tokenizer: Tokenizer, ids: ArrayLike<number>): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  for (let i = 0; i < ids.length; i++) {
    const bytes = tokenizer.bytesOf(ids[i]!);
    parts.push(bytes);
    size += bytes.length;
  }
  const all = new Uint8Array(size);
  let offset = 0;
  for (const bytes of parts) {
    all.set(bytes, offset);
    offset += bytes.length;
  }
  return all;
}

export function decodeTokens(tokenizer: Tokenizer, ids: ArrayLike<number>): string {
  // ignoreBOM keeps a leading U+FEFF: a decoder that drops it would break the round trip.
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytesOfTokens(tokenizer, ids));
}

/** Index of the first lone surrogate, or -1. */
function loneSurrogate(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return i;
    i++;
  }
  return -1;
}
