import { type Tokenizer, unknownId } from './tokenizer.ts';
import { decodeTokens, encodeUtf8 } from './utf8.ts';

const BYTES = 256;
const BOS = 256;
const EOS = 257;

const SINGLE_BYTES: readonly Uint8Array[] = Array.from({ length: BYTES }, (_, byte) => Uint8Array.of(byte));
const NO_BYTES = new Uint8Array(0);

/** One token per UTF-8 byte. Needs no vocabulary file, and every text that is valid Unicode has one encoding. */
export class ByteTokenizer implements Tokenizer {
  readonly id = 'utf8-bytes-v1';
  readonly vocabSize = BYTES + 2;
  readonly bosId = BOS;
  readonly eosId = EOS;

  /** Throws ERR_LAPIDARY_DATA for text with a lone surrogate: its bytes would not lead back to the text. */
  encode(text: string): number[] {
    return Array.from(encodeUtf8(text));
  }

  bytesOf(id: number): Uint8Array {
    if (id === BOS || id === EOS) return NO_BYTES;
    const bytes = SINGLE_BYTES[id];
    if (bytes === undefined) throw unknownId(id, this);
    // A copy, so that a caller who writes into it cannot change the vocabulary.
    return bytes.slice();
  }

  /** Ill-formed bytes become U+FFFD, one rule for all tokenizers. */
  decode(ids: ArrayLike<number>): string {
    return decodeTokens(this, ids);
  }
}
