import { describe, fail } from './argument.ts';
import { type DType, Tensor } from './tensor.ts';

export { checkKeys, fail } from './argument.ts';

export function checkTensor<D extends DType>(
  argument: string,
  value: unknown,
  dtypes: readonly D[],
  shape: readonly (number | null)[],
): Tensor<D> {
  if (!(value instanceof Tensor)) fail(argument, 'a Tensor', describe(value));
  if (!(dtypes as readonly DType[]).includes(value.dtype)) fail(argument, dtypes.join(' or '), value.dtype);
  const fits =
    value.shape.length === shape.length && shape.every((want, i) => want === null || want === value.shape[i]);
  if (!fits) {
    const wanted = shape.map((want) => (want === null ? 'any' : String(want))).join(', ');
    fail(argument, `shape [${wanted}]`, `[${value.shape.join(', ')}]`);
  }
  return value as Tensor<D>;
}

export function checkNumber(argument: string, value: unknown, low: number, high: number): number {
  if (typeof value !== 'number' || !(value >= low && value <= high)) {
    fail(argument, `a number from ${low} to ${high}`, describe(value));
  }
  return value;
}

export function checkInteger(argument: string, value: unknown, low: number, high: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < low || (value as number) > high) {
    fail(argument, `a whole number from ${low} to ${high}`, describe(value));
  }
  return value as number;
}
