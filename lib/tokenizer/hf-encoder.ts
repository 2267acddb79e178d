import { LapidaryError } from '../errors.ts';
import { tokenizerSha256 } from './hf-file.ts';
import { importOptional, namedExports } from './optional-package.ts';

/** Token ids of a text, and for each the span of UTF-16 units it was made from. */
export interface TextEncoding {
  ids: readonly number[];
  offsets: readonly (readonly [number, number])[];
}

/** Encodes without adding special tokens. */
export interface OffsetEncoder {
  /** Names vocabulary and rules; what is made with it carries the name. */
  readonly id: string;
  encode(text: string): Promise<TextEncoding>;
  tokenToId(token: string): number | null;
}

/** What is used of the npm package `tokenizers`. */
export interface TokenizersModule {
  Tokenizer: {
    fromFile(path: string): {
      encode(
        text: string,
        pair: null,
        options: { addSpecialTokens: boolean },
      ): Promise<{ getIds(): number[]; getOffsets(): number[][] }>;
      tokenToId(token: string): number | null;
    };
  };
}

export const TOKENIZERS_VERSION = '0.23.2';

/**
 * An encoder over the optional npm package `tokenizers`, from a tokenizer.json. Its offsets count code points; they
 * are given out in UTF-16 units, checked. Throws ERR_LAPIDARY_ARGUMENT where the package is not installed.
 */
export async function loadHfEncoder(path: string, module?: TokenizersModule): Promise<OffsetEncoder> {
  const { Tokenizer } =
    module ??
    (namedExports(
      await importOptional('tokenizers', TOKENIZERS_VERSION, 'encoding text'),
    ) as unknown as TokenizersModule);
  let tokenizer: ReturnType<TokenizersModule['Tokenizer']['fromFile']>;
  try {
    tokenizer = Tokenizer.fromFile(path);
  } catch (cause) {
    const message = `${path}: tokenizers cannot read it: ${(cause as Error).message}`;
    throw new LapidaryError('ERR_LAPIDARY_IO', message, { cause });
  }
  return {
    id: `hf:${tokenizerSha256(path).slice(0, 16)}`,
    tokenToId: (token) => tokenizer.tokenToId(token),
    async encode(text) {
      const encoding = await tokenizer.encode(text, null, { addSpecialTokens: false });
      return { ids: encoding.getIds(), offsets: toUtf16(text, encoding.getOffsets()) };
    },
  };
}

/**
 * Offsets in code points as offsets in UTF-16 units. A lone surrogate counts as one code point, as it does in the
 * UTF-8 that a native tokenizer is given (U+FFFD). Throws ERR_LAPIDARY_DATA where a pair is out of range or
 * reversed, or starts or ends before the one before it.
 */
export function toUtf16(text: string, offsets: readonly (readonly number[])[]): [number, number][] {
  const places = codePointPlaces(text);
  let [lastStart, lastEnd] = [0, 0];
  return offsets.map((pair, i) => {
    const [start, end] = pair as [number, number];
    const last = places.length - 1;
    if (!(start >= 0 && start <= end && end <= last)) {
      throw offsetError(i, pair, `expected 0 <= start <= end <= ${last} code points`);
    }
    // A pair [0, 0] is how a tokenizer says that a token has no place in the text.
    if (end !== 0 && (start < lastStart || end < lastEnd)) {
      throw offsetError(i, pair, `lies before the one before it, [${lastStart}, ${lastEnd}]`);
    }
    if (end !== 0) [lastStart, lastEnd] = [start, end];
    return [places[start]!, places[end]!];
  });
}

/** Where each code point starts, and the end of the text. */
function codePointPlaces(text: string): Uint32Array {
  const places = new Uint32Array(text.length + 1);
  let count = 0;
  for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) places[count++] = at;
  places[count] = text.length;
  return places.subarray(0, count + 1);
}

function offsetError(index: number, pair: readonly number[], problem: string): LapidaryError {
  const message = `offsets: token ${index} has [${pair.join(', ')}]: ${problem}`;
  return new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: 'offsets' });
}
