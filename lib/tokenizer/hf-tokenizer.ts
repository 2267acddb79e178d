import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LapidaryError } from '../errors.ts';
import type { OffsetEncoder } from './hf-encoder.ts';
import { type HfVocabulary, readHfFile } from './hf-file.ts';
import { type Tokenizer, unknownId } from './tokenizer.ts';
import { bytesOfTokens } from './utf8.ts';

export { tokenizerSha256 } from './hf-file.ts';

export interface HfTokenizerOptions {
  /** The token that ends a response, e.g. "<|im_end|>". Without it, eos_token of the tokenizer_config.json beside. */
  eosToken?: string;
  /**
   * Whether response texts spell special tokens out. 'empty' (what engines do by default): a token that the file
   * marks as special has no bytes. 'text': it has the bytes of its text. Other added tokens always have theirs.
   */
  specialTokens?: 'empty' | 'text';
  /** Special tokens that are spelled out although the others are not, e.g. ["</think>"]. */
  spelledOut?: readonly string[];
  /** Makes `encodeAsync` work; see `loadHfEncoder`. */
  encoder?: OffsetEncoder;
}

/**
 * The bytes of the ids of a Hugging Face tokenizer.json: byte-level BPE (Qwen, Llama 3, DeepSeek) and
 * SentencePiece with byte fallback (Llama 2, Mistral, Gemma). Segmentation reads stored ids and never encodes, so
 * this does not either: `encode` throws ERR_LAPIDARY_ARGUMENT.
 */
export class HfTokenizer implements Tokenizer {
  /** "hf:" and the first 16 digits of the file's SHA-256. */
  readonly id: string;
  readonly sha256: string;
  readonly vocabSize: number;
  readonly eosId: number;
  readonly stripsLeadingSpace: boolean;
  readonly #bytes: readonly (Uint8Array | undefined)[];
  readonly #encoder: OffsetEncoder | undefined;

  /** Reads the file; ERR_LAPIDARY_IO, ERR_LAPIDARY_DATA, or ERR_LAPIDARY_ARGUMENT where no eos token is found. */
  constructor(path: string, options: HfTokenizerOptions = {}) {
    const vocabulary = readHfFile(path);
    this.sha256 = vocabulary.sha256;
    this.id = `hf:${vocabulary.sha256.slice(0, 16)}`;
    this.stripsLeadingSpace = vocabulary.stripsLeadingSpace;
    this.#bytes = bytesById(vocabulary, options);
    this.vocabSize = this.#bytes.length;
    this.eosId = idOfToken(vocabulary, options.eosToken ?? eosTokenBeside(path));
    this.#encoder = options.encoder;
  }

  bytesOf(id: number): Uint8Array {
    const bytes = this.#bytes[id];
    if (bytes === undefined) throw unknownId(id, this);
    return bytes.slice();
  }

  /** Ill-formed bytes become U+FFFD; the space of the first word goes where the file's decoder drops it. */
  decode(ids: ArrayLike<number>): string {
    const bytes = bytesOfTokens(this, ids);
    const drop = this.stripsLeadingSpace && bytes[0] === 0x20 ? 1 : 0;
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(drop));
  }

  encode(_text: string): number[] {
    const way = this.#encoder === undefined ? 'pass an encoder (loadHfEncoder) and call' : 'call';
    throw argumentError('encode', `${this.id} reads ids and does not make them: ${way} encodeAsync`);
  }

  async encodeAsync(text: string): Promise<number[]> {
    if (this.#encoder === undefined) this.encode(text);
    return [...(await this.#encoder!.encode(text)).ids];
  }
}

function bytesById(vocabulary: HfVocabulary, options: HfTokenizerOptions): (Uint8Array | undefined)[] {
  const { specialTokens = 'empty', spelledOut = [] } = options;
  if (specialTokens !== 'empty' && specialTokens !== 'text') {
    throw argumentError('specialTokens', `${JSON.stringify(specialTokens)}: expected "empty" or "text"`);
  }
  const kept = new Set(spelledOut);
  for (const text of kept) idOfToken(vocabulary, text, 'spelledOut');
  const pieceBytes = vocabulary.kind === 'byte-level' ? byteLevelBytes : sentencePieceBytes;
  const bytes = vocabulary.pieces.map((piece) => (piece === undefined ? undefined : pieceBytes(piece)));
  for (const [id, { content, special }] of vocabulary.added) {
    const silent = special && specialTokens === 'empty' && !kept.has(content);
    bytes[id] = silent ? new Uint8Array(0) : encoder.encode(content);
  }
  return bytes;
}

const encoder = new TextEncoder();

/** GPT-2's alphabet: printable Latin-1 characters stand for their own byte, U+0100 and on for the others in order. */
const BYTE_OF_CHARACTER: ReadonlyMap<string, number> = (() => {
  const map = new Map<string, number>();
  const isPrintable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    map.set(String.fromCharCode(isPrintable(byte) ? byte : next++), byte);
  }
  return map;
})();

function byteLevelBytes(piece: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of piece) {
    const byte = BYTE_OF_CHARACTER.get(character);
    // A piece that is not written in the alphabet stands for itself.
    if (byte === undefined) return encoder.encode(piece);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

function sentencePieceBytes(piece: string): Uint8Array {
  const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(piece)?.[1];
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16));
  return encoder.encode(piece.replaceAll('\u2581', ' '));
}

function idOfToken(vocabulary: HfVocabulary, text: string | undefined, argument = 'eosToken'): number {
  if (text === undefined) {
    const problem =
      'missing, and no tokenizer_config.json beside the file names an eos_token: expected a token';
    throw argumentError(argument, problem);
  }
  for (const [id, { content }] of vocabulary.added) if (content === text) return id;
  const id = vocabulary.pieces.indexOf(text);
  if (id < 0) throw argumentError(argument, `${JSON.stringify(text)}: is no token of the file`);
  return id;
}

function eosTokenBeside(path: string): string | undefined {
  const file = join(dirname(path), 'tokenizer_config.json');
  if (!existsSync(file)) return undefined;
  try {
    const { eos_token: token } = JSON.parse(readFileSync(file, 'utf8')) as { eos_token?: unknown };
    if (typeof token === 'string') return token;
    const content = (token as { content?: unknown } | null | undefined)?.content;
    return typeof content === 'string' ? content : undefined;
  } catch (cause) {
    const message = `${file}: cannot be read as JSON: ${(cause as Error).message}`;
    throw new LapidaryError('ERR_LAPIDARY_DATA', message, { cause });
  }
}

function argumentError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}
