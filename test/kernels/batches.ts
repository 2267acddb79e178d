import { fromBf16, toBf16 } from '../../lib/kernels/bf16.ts';
import { fromF16, toF16 } from '../../lib/kernels/f16.ts';
import { type FloatDType, Tensor } from '../../lib/kernels/tensor.ts';
import type { Random } from '../random.ts';
import type { FloatType } from './compare.ts';

/** A kernel input, and the very numbers it holds after rounding to its element type. */
export interface Matrix {
  tensor: Tensor<FloatDType>;
  values: Float64Array;
  rows: number;
  columns: number;
}

export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}

const ENCODE = { f32: Math.fround, bf16: toBf16, f16: toF16 };
const DECODE = { f32: (x: number) => x, bf16: fromBf16, f16: fromF16 };

export function matrix(
  dtype: FloatType,
  rows: number,
  columns: number,
  element: (row: number, column: number) => number,
): Matrix {
  const tensor = Tensor.alloc(dtype, [rows, columns]) as Tensor<FloatDType>;
  const values = new Float64Array(rows * columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const i = r * columns + c;
      tensor.data[i] = ENCODE[dtype](element(r, c));
      values[i] = DECODE[dtype](tensor.data[i]!);
    }
  }
  return { tensor, values, rows, columns };
}

export function rowOf(of: Matrix, row: number): Float64Array {
  return of.values.subarray(row * of.columns, (row + 1) * of.columns);
}

/** The rows [begin, end) of a two-dimensional tensor as a tensor of their own. */
export function rowsOf<D extends FloatDType>(tensor: Tensor<D>, begin: number, end: number): Tensor<D> {
  const columns = tensor.shape[1]!;
  const part = Tensor.alloc(tensor.dtype, [end - begin, columns]);
  part.data.set(tensor.data.subarray(begin * columns, end * columns));
  return part;
}

export function ints(values: ArrayLike<number>): Tensor<'i32'> {
  return Tensor.from('i32', Int32Array.from(values));
}

export function floats(values: ArrayLike<number>): Tensor<'f32'> {
  return Tensor.from('f32', Float32Array.from(values));
}

/** The values of a float tensor as numbers, whatever its element type. */
export function decode(tensor: Tensor<FloatDType>): Float64Array {
  return Float64Array.from(tensor.data, DECODE[tensor.dtype]);
}
