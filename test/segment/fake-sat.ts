import type { SatModel } from '../../lib/segment/sat-model.ts';
import type { OffsetEncoder, TextEncoding } from '../../lib/tokenizer/hf-encoder.ts';

/** Small whole numbers spread over a range, the same everywhere. */
export function mixed(value: number, range: number): number {
  const h = Math.imul(value ^ (value >>> 13), 0x5bd1e995) >>> 0;
  return (h ^ (h >>> 15)) % range;
}

export const BOS = 0;
export const EOS = 2;

/**
 * Words cut into pieces of up to four code points, like a subword tokenizer's: whitespace belongs to no piece. The
 * id is made from the piece.
 */
export class FakeEncoder implements OffsetEncoder {
  readonly id: string;
  constructor(id = 'fake-encoder') {
    this.id = id;
  }

  tokenToId(token: string): number | null {
    return token === '<s>' ? BOS : token === '</s>' ? EOS : null;
  }

  async encode(text: string): Promise<TextEncoding> {
    return this.encodeSync(text);
  }

  encodeSync(text: string): TextEncoding {
    const ids: number[] = [];
    const offsets: [number, number][] = [];
    for (const match of text.matchAll(/\S{1,4}/gu)) {
      const piece = match[0];
      ids.push(10 + mixed([...piece].reduce((sum, c) => sum * 31 + c.codePointAt(0)!, 7) | 0, 90));
      offsets.push([match.index, match.index + piece.length]);
    }
    return { ids, offsets };
  }
}

/** A logit that depends on the token and on where in its block it is, so that averaging over blocks shows. */
export function fakeLogit(id: number, position: number, length: number): number {
  return mixed(id, 17) - 9 + Math.fround(Math.sin(position) + length / 1000);
}

export class FakeModel implements SatModel {
  readonly id: string;
  /** [batch, length] of every call. */
  readonly calls: [number, number][] = [];
  readonly inputs: bigint[][] = [];

  constructor(id = 'fake-model') {
    this.id = id;
  }

  async boundaryLogits(ids: BigInt64Array, batch: number, length: number): Promise<Float32Array> {
    this.calls.push([batch, length]);
    for (let row = 0; row < batch; row++) this.inputs.push([...ids.slice(row * length, (row + 1) * length)]);
    return Float32Array.from({ length: batch * length }, (_, i) =>
      fakeLogit(Number(ids[i]), i % length, length),
    );
  }
}

/** The mean logit of each token, token by token from the definition; sizes are of block contents. */
export function slowLogits(ids: readonly number[], size: number, stride: number, hat: boolean): number[] {
  const starts: number[] = [];
  for (let start = 0; ; start += stride) {
    if (start + size >= ids.length) {
      starts.push(Math.max(0, ids.length - size));
      break;
    }
    starts.push(start);
  }
  return ids.map((id, token) => {
    let [sum, total] = [0, 0];
    for (const start of starts) {
      const width = Math.min(size, ids.length - start);
      const place = token - start;
      if (place < 0 || place >= width) continue;
      // The triangle over [-1, 1], read at the middle of each of `width` equal parts.
      const middle = -1 + (2 * place + 1) / width;
      const weight = hat ? 1 - Math.abs(middle) : 1;
      sum += weight * Math.fround(fakeLogit(id, place + 1, width + 2));
      total += weight;
    }
    return sum / total;
  });
}
