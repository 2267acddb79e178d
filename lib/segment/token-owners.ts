import { LapidaryError } from '../errors.ts';
import { decodeWithMap } from '../tokenizer/decode-map.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { encodeUtf8 } from '../tokenizer/utf8.ts';
import type { TokenOwners } from './segmenter.ts';

/**
 * For each token the position (UTF-16) of the character that decides its step: the first non-whitespace character
 * of which it has a byte. A token without one has the owner of the token before it, leading ones have 0.
 * Throws ERR_LAPIDARY_DATA where the ids do not spell the text, at the byte where they part.
 */
export function tokenOwners(text: string, ids: ArrayLike<number>, tokenizer: Tokenizer): TokenOwners {
  const { places, characters } = placesOf(text, ids, tokenizer);
  let owner = 0;
  return Uint32Array.from({ length: ids.length }, (_, i) => {
    const character = firstVisible(text, characters, places[i]!, places[i + 1]!);
    if (character >= 0) owner = character;
    return owner;
  });
}

/** First and last character (UTF-16) of which each token has a byte; -1 for both where it has no bytes. */
export function tokenCharacters(
  text: string,
  ids: ArrayLike<number>,
  tokenizer: Tokenizer,
): { first: Int32Array; last: Int32Array } {
  const { places, characters } = placesOf(text, ids, tokenizer);
  const first = new Int32Array(ids.length).fill(-1);
  const last = new Int32Array(ids.length).fill(-1);
  for (let i = 0; i < ids.length; i++) {
    if (places[i] === places[i + 1]) continue;
    first[i] = characters[places[i]!]!;
    last[i] = characters[places[i + 1]! - 1]!;
  }
  return { first, last };
}

interface Places {
  /** Where the bytes of each token start, and at the end how many there are. */
  places: Uint32Array;
  /** For each byte the character (UTF-16) that it is part of. */
  characters: Uint32Array;
}

/** Lays the bytes of the ids on the text, and refuses them where they part. */
function placesOf(text: string, ids: ArrayLike<number>, tokenizer: Tokenizer): Places {
  const map = utf8Map(text);
  const pieces = Array.from({ length: ids.length }, (_, i) => tokenizer.bytesOf(ids[i]!));
  dropLeadingSpace(pieces, map.bytes, tokenizer);
  const places = new Uint32Array(pieces.length + 1);
  for (const [i, piece] of pieces.entries()) places[i + 1] = places[i]! + piece.length;
  // A response that was cut off inside a character has U+FFFD in its text, and the parts of that character in its ids.
  const illFormed = text.includes('\uFFFD') ? decodeWithMap(Buffer.concat(pieces)) : null;
  if (illFormed?.text === text) return { places, characters: illFormed.characters };
  for (const [i, piece] of pieces.entries()) checkBytes(map.bytes, places[i]!, piece, i);
  const [found, expected] = [places.at(-1)!, map.bytes.length];
  if (found !== expected) throw mismatch(found, `the ids end after ${found} bytes, the text has ${expected}`);
  return { places, characters: map.characters };
}

/** A decoder that strips the space of the first word leaves a text that is one byte shorter than its tokens. */
function dropLeadingSpace(pieces: Uint8Array[], bytes: Uint8Array, tokenizer: Tokenizer): void {
  if (tokenizer.stripsLeadingSpace !== true) return;
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const first = pieces.findIndex((piece) => piece.length > 0);
  if (size !== bytes.length + 1 || pieces[first]?.[0] !== 0x20) return;
  pieces[first] = pieces[first]!.subarray(1);
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
    const there = expected === undefined ? 'the text has ended' : `the text ${expected}`;
    throw mismatch(offset + i, `${found}, ${there}`);
  }
}

function mismatch(at: number, detail: string): LapidaryError {
  const message = `response_ids: do not decode to the text: at byte ${at} ${detail}`;
  return new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: 'response_ids' });
}
