import {
  addFloats,
  type BigFloat,
  divideFloats,
  FLOAT_ZERO,
  multiplyFloats,
  negateFloat,
  noValue,
  order,
} from './big-float.ts';
import { floatExp, floatSinCos, floatSqrt } from './big-float-functions.ts';

export interface ComplexFloat {
  re: BigFloat;
  im: BigFloat;
}

export function realFloat(re: BigFloat): ComplexFloat {
  return { re, im: FLOAT_ZERO };
}

/** The exponent of the larger part, as `order` of one float. */
export function complexOrder(a: ComplexFloat): number {
  return Math.max(order(a.re), order(a.im));
}

export function negateComplex(a: ComplexFloat): ComplexFloat {
  return { re: negateFloat(a.re), im: negateFloat(a.im) };
}

export function addComplex(bits: number, a: ComplexFloat, b: ComplexFloat): ComplexFloat {
  return { re: addFloats(bits, a.re, b.re), im: addFloats(bits, a.im, b.im) };
}

export function multiplyComplex(bits: number, a: ComplexFloat, b: ComplexFloat): ComplexFloat {
  if (a.im.m === 0n && b.im.m === 0n) return realFloat(multiplyFloats(bits, a.re, b.re));
  const times = (x: BigFloat, y: BigFloat): BigFloat => multiplyFloats(bits, x, y);
  return {
    re: addFloats(bits, times(a.re, b.re), negateFloat(times(a.im, b.im))),
    im: addFloats(bits, times(a.re, b.im), times(a.im, b.re)),
  };
}

export function divideComplex(bits: number, a: ComplexFloat, b: ComplexFloat): ComplexFloat {
  if (b.im.m === 0n) {
    return { re: divideFloats(bits, a.re, b.re), im: divideFloats(bits, a.im, b.re) };
  }
  const conjugate = { re: b.re, im: negateFloat(b.im) };
  return divideComplex(bits, multiplyComplex(bits, a, conjugate), multiplyComplex(bits, b, conjugate));
}

/** The principal root: of a negative number, i times the root of its magnitude. */
export function sqrtComplex(bits: number, a: ComplexFloat): ComplexFloat {
  if (a.im.m !== 0n) return sqrtOffAxis(bits, a);
  if (a.re.m >= 0n) return realFloat(floatSqrt(bits, a.re));
  return { re: FLOAT_ZERO, im: floatSqrt(bits, negateFloat(a.re)) };
}

function sqrtOffAxis(bits: number, a: ComplexFloat): ComplexFloat {
  const halved = (x: BigFloat): BigFloat => ({ m: x.m, e: x.e - 1 });
  const size = complexMagnitude(bits, a);
  const re = floatSqrt(bits, halved(addFloats(bits, size, a.re)));
  if (re.m === 0n) noValue();
  return { re, im: halved(divideFloats(bits, a.im, re)) };
}

export function complexMagnitude(bits: number, a: ComplexFloat): BigFloat {
  const sum = addFloats(bits, multiplyFloats(bits, a.re, a.re), multiplyFloats(bits, a.im, a.im));
  return floatSqrt(bits, sum);
}

export function expComplex(bits: number, a: ComplexFloat): ComplexFloat {
  const size = floatExp(bits, a.re);
  if (a.im.m === 0n) return realFloat(size);
  const { sin, cos } = floatSinCos(bits, a.im);
  return { re: multiplyFloats(bits, size, cos), im: multiplyFloats(bits, size, sin) };
}
