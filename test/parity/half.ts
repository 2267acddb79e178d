import { fromBf16 } from '../../lib/kernels/bf16.ts';
import type { FloatDType, Tensor } from '../../lib/kernels/tensor.ts';

/** The value of an IEEE 754 binary16 pattern. */
function fromF16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The values of a float tensor, whatever its element type. */
export function decodeHalf(tensor: Tensor<FloatDType>): Float64Array {
  const decode = { f32: (x: number) => x, bf16: fromBf16, f16: fromF16 }[tensor.dtype];
  return Float64Array.from(tensor.data, decode);
}
