import { checkInteger, fail } from './check.ts';
import { type DType, describe, type Tensor } from './tensor.ts';

/** Whole sequences [firstSequence, endSequence) of a packed batch, and their rows [begin, end). */
export interface Chunk {
  begin: number;
  end: number;
  firstSequence: number;
  endSequence: number;
}

/**
 * Cuts a packed batch into runs of whole sequences of at most `chunkRows` rows; a longer sequence is a chunk by
 * itself. There is always at least one chunk, so that an empty batch still writes its outputs.
 */
export function chunkSequences(
  cuSeqlens: Int32Array | Float64Array,
  rows: number,
  chunkRows: number,
): Chunk[] {
  checkOffsets(cuSeqlens, rows);
  const chunks: Chunk[] = [];
  let open: Chunk = { begin: 0, end: 0, firstSequence: 0, endSequence: 0 };
  for (let i = 0; i + 1 < cuSeqlens.length; i++) {
    const end = cuSeqlens[i + 1]!;
    if (end - open.begin > chunkRows && open.end > open.begin) {
      chunks.push(open);
      open = { begin: open.end, end: open.end, firstSequence: i, endSequence: i };
    }
    open.end = end;
    open.endSequence = i + 1;
  }
  return [...chunks, open];
}

function checkOffsets(cuSeqlens: unknown, rows: number): void {
  if (!(cuSeqlens instanceof Int32Array || cuSeqlens instanceof Float64Array) || cuSeqlens.length < 1) {
    fail('cuSeqlens', 'an Int32Array or Float64Array of B + 1 offsets', describe(cuSeqlens));
  }
  let previous = 0;
  cuSeqlens.forEach((offset, i) => {
    previous = checkInteger(`cuSeqlens[${i}]`, offset, previous, i === 0 ? 0 : rows);
  });
  if (previous !== rows) fail('cuSeqlens', `a last offset of ${rows}`, String(previous));
}

/** Rows [begin, end) of a tensor as a view of the same memory. */
export function slice<D extends DType>(tensor: Tensor<D>, begin: number, end: number): Tensor<D> {
  return tensor.slice(begin, end);
}
