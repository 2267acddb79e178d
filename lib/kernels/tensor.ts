import { LapidaryError } from '../errors.ts';

/** Element types. bf16 and f16 are carried in a Uint16Array, one 16-bit pattern per element. */
export type DType = 'f32' | 'bf16' | 'f16' | 'i32';
/** Element types of logits, hidden states and weights. */
export type FloatDType = 'f32' | 'bf16' | 'f16';
export const FLOAT_DTYPES: readonly FloatDType[] = ['f32', 'bf16', 'f16'];

interface ArrayOf {
  f32: Float32Array;
  bf16: Uint16Array;
  f16: Uint16Array;
  i32: Int32Array;
}

const ARRAYS = { f32: Float32Array, bf16: Uint16Array, f16: Uint16Array, i32: Int32Array } as const;

/** What runtimes with a Float16Array hand over; Node 20 and its types have none. */
type HalfArray<D extends DType> = D extends 'f16'
  ? ArrayBufferView & { readonly [Symbol.toStringTag]: 'Float16Array' }
  : never;

/**
 * A dense row-major array with its element type and shape.
 *
 * `Tensor.alloc` makes one that the library owns: it lies in shared memory, which can be neither detached nor
 * shrunk, so asynchronous calls work on it in place. `Tensor.from` wraps an array of yours: synchronous calls use
 * it in place, asynchronous ones copy it (inputs at the call, outputs when it settles).
 *
 * Calls run one at a time and in the order they were made, so a call may be given tensors of `alloc` that an earlier
 * one is still to write. With an array of yours it would see the old contents: ERR_LAPIDARY_STATE.
 *
 * There is nothing to dispose of: the memory is the JavaScript engine's, counted and collected by it.
 */
export class Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: ArrayOf[D];
  /** Elements that the shape counts; `data` may have another length where its buffer has since been resized. */
  readonly size: number;

  private constructor(dtype: D, shape: readonly number[], data: ArrayOf[D]) {
    this.dtype = dtype;
    this.shape = Object.freeze([...shape]);
    this.data = data;
    this.size = data.length;
  }

  /** A zeroed tensor in shared memory. */
  static alloc<D extends DType>(dtype: D, shape: readonly number[]): Tensor<D> {
    const array = ARRAYS[dtype] as unknown as new (memory: SharedArrayBuffer) => ArrayOf[D];
    if (array === undefined) throw badDType(dtype);
    const bytes = elementCount(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
    try {
      return new Tensor(dtype, shape, new array(new SharedArrayBuffer(bytes)));
    } catch (cause) {
      throw new LapidaryError(
        'ERR_LAPIDARY_NATIVE',
        `Tensor.alloc: no memory for ${bytes} bytes (shape ${shape.join(' x ')})`,
        { cause },
      );
    }
  }

  /**
   * Wraps `array` without a copy; without `shape` it is one-dimensional. For f16 a Float16Array will do too, and
   * `data` is then a Uint16Array over its memory.
   */
  static from<D extends DType>(
    dtype: D,
    array: ArrayOf[D] | HalfArray<D>,
    shape?: readonly number[],
  ): Tensor<D> {
    if (ARRAYS[dtype] === undefined) throw badDType(dtype);
    const data = asPatterns(dtype, array) as ArrayOf[D];
    if (!(data instanceof ARRAYS[dtype]) || Buffer.isBuffer(data)) {
      throw new LapidaryError(
        'ERR_LAPIDARY_ARGUMENT',
        `data: expected a ${ARRAYS[dtype].name} for dtype ${dtype}, got ${describe(data)}`,
        { argument: 'data' },
      );
    }
    const dimensions = shape ?? [data.length];
    const count = elementCount(dimensions);
    if (count !== data.length) {
      throw new LapidaryError(
        'ERR_LAPIDARY_ARGUMENT',
        `shape: ${dimensions.join(' x ')} needs ${count} elements, data has ${data.length}`,
        { argument: 'shape' },
      );
    }
    return new Tensor(dtype, dimensions, data);
  }
}

/** A Float16Array (newer runtimes have it) as the bit patterns in its memory; any other value as it is. */
function asPatterns(dtype: DType, data: unknown): unknown {
  const { Float16Array: Half } = globalThis as { Float16Array?: new () => ArrayBufferView };
  if (dtype !== 'f16' || Half === undefined || !(data instanceof Half)) return data;
  return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
}

function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dimension of shape) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) {
      throw new LapidaryError(
        'ERR_LAPIDARY_ARGUMENT',
        `shape: ${JSON.stringify(shape)} holds ${dimension}; expected whole numbers of 0 or more`,
        { argument: 'shape' },
      );
    }
    count *= dimension;
  }
  if (!Number.isSafeInteger(count)) {
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', `shape: ${shape.join(' x ')} has too many elements`, {
      argument: 'shape',
    });
  }
  return count;
}

function badDType(dtype: unknown): LapidaryError {
  return new LapidaryError(
    'ERR_LAPIDARY_ARGUMENT',
    `dtype: expected f32, bf16, f16 or i32, got ${String(dtype)}`,
    {
      argument: 'dtype',
    },
  );
}

/** A short name of any value for an error message. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return `${typeof value} ${String(value)}`;
  return value.constructor?.name ?? 'an object';
}
