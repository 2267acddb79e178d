import { LapidaryError } from '../errors.ts';
import { fail } from './argument.ts';

/** Element types. bf16 and f16 are carried in a Uint16Array, one 16-bit pattern per element. */
export type DType = 'f32' | 'bf16' | 'f16' | 'i32';
/** Element types of logits, hidden states and weights. */
export type FloatDType = 'f32' | 'bf16' | 'f16';
export const FLOAT_DTYPES: readonly FloatDType[] = ['f32', 'bf16', 'f16'];

export interface ArrayOf {
  f32: Float32Array;
  bf16: Uint16Array;
  f16: Uint16Array;
  i32: Int32Array;
}

export const ARRAYS = { f32: Float32Array, bf16: Uint16Array, f16: Uint16Array, i32: Int32Array } as const;

/** What runtimes with a Float16Array hand over; Node 20 and its types have none. */
export type HalfArray<D extends DType> = D extends 'f16'
  ? ArrayBufferView & { readonly [Symbol.toStringTag]: 'Float16Array' }
  : never;

/** A Float16Array (newer runtimes have it) as the bit patterns in its memory; any other value as it is. */
export function asPatterns(dtype: DType, data: unknown): unknown {
  const { Float16Array: Half } = globalThis as { Float16Array?: new () => ArrayBufferView };
  if (dtype !== 'f16' || Half === undefined || !(data instanceof Half)) return data;
  return new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2);
}

export function elementCount(shape: readonly number[]): number {
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

/** Throws for a name that is no element type's. */
export function checkDType(dtype: unknown): void {
  if (!Object.hasOwn(ARRAYS, String(dtype))) fail('dtype', 'f32, bf16, f16 or i32', String(dtype));
}
