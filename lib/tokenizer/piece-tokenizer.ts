import { LapidaryError } from '../errors.ts';
import { type Tokenizer, unknownId } from './tokenizer.ts';
import { decodeTokens, encodeUtf8 } from './utf8.ts';

/**
 * A fixed list of text pieces, the position in the list being the id. `encode` takes the longest piece that
 * matches at each position and never backs up. Pieces with empty text are special ids: no text encodes to them.
 */
export class PieceTokenizer implements Tokenizer {
  readonly id: string;
  readonly vocabSize: number;
  readonly eosId: number;
  readonly #bytes: readonly Uint8Array[];
  /** By first UTF-16 unit, longest first. */
  readonly #byFirst = new Map<string, { piece: string; id: number }[]>();

  constructor(id: string, pieces: readonly string[], eosId: number) {
    if (id === '') throw argumentError('id', 'empty: expected a name for the vocabulary');
    if (pieces[eosId] !== '') {
      throw argumentError('eosId', `${eosId}: expected the index of a piece with empty text`);
    }
    this.id = id;
    this.vocabSize = pieces.length;
    this.eosId = eosId;
    this.#bytes = pieces.map((piece, index) => encodeUtf8(piece, `pieces[${index}]`));
    this.#indexPieces(pieces);
  }

  #indexPieces(pieces: readonly string[]): void {
    const seen = new Set<string>();
    pieces.forEach((piece, id) => {
      if (piece === '') return;
      if (seen.has(piece)) throw argumentError('pieces', `${JSON.stringify(piece)} is listed twice`);
      seen.add(piece);
      const first = piece.charAt(0);
      const list = this.#byFirst.get(first);
      if (list === undefined) this.#byFirst.set(first, [{ piece, id }]);
      else list.push({ piece, id });
    });
    for (const list of this.#byFirst.values()) list.sort((a, b) => b.piece.length - a.piece.length);
  }

  /** Throws ERR_LAPIDARY_DATA naming the character position where no piece matches. */
  encode(text: string): number[] {
    const ids: number[] = [];
    let at = 0;
    while (at < text.length) {
      const match = this.#byFirst.get(text.charAt(at))?.find(({ piece }) => text.startsWith(piece, at));
      if (match === undefined) {
        throw new LapidaryError(
          'ERR_LAPIDARY_DATA',
          `text: no piece of ${this.id} matches at character ${at}: ${JSON.stringify(text.slice(at, at + 12))}`,
          { argument: 'text' },
        );
      }
      ids.push(match.id);
      at += match.piece.length;
    }
    return ids;
  }

  bytesOf(id: number): Uint8Array {
    const bytes = this.#bytes[id];
    if (bytes === undefined) throw unknownId(id, this);
    return bytes.slice();
  }

  decode(ids: ArrayLike<number>): string {
    return decodeTokens(this, ids);
  }
}

function argumentError(argument: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: ${problem}`, { argument });
}
