import { LapidaryError } from '../errors.ts';

/**
 * A tokenizer maps text to token ids and each id back to bytes. Segmentation works on the *stored* ids:
 * it asks for the bytes of each id, never re-tokenises.
 */
export interface Tokenizer {
  /** Names vocabulary and rules; stored with rollouts so that ids are never read with another vocabulary. */
  readonly id: string;
  readonly vocabSize: number;
  /** The id that ends a response; its bytes are empty, unless the tokenizer was told that texts spell it out. */
  readonly eosId: number;
  /** SHA-256 (lower-case hex) of the file that defines it, where there is one. */
  readonly sha256?: string;
  /** True where decoding drops the space of the first word, as SentencePiece tokenizers do. */
  readonly stripsLeadingSpace?: boolean;
  encode(text: string): number[];
  /** UTF-8 bytes of one token; a token may hold part of a character. */
  bytesOf(id: number): Uint8Array;
  decode(ids: ArrayLike<number>): string;
}

/** The error of an id that no token of the vocabulary has. */
export function unknownId(id: number, { id: name, vocabSize }: Tokenizer): LapidaryError {
  return new LapidaryError(
    'ERR_LAPIDARY_DATA',
    `id: ${id} is not in the vocabulary of ${name}: expected an integer in 0..${vocabSize - 1}`,
    { argument: 'id' },
  );
}
