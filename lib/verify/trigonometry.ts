import {
  addFloats,
  type BigFloat,
  compareFloats,
  divideFloats,
  multiplyFloats,
  negateFloat,
  noValue,
} from './big-float.ts';
import { floatAtan, floatExp, floatPi, floatSinCos, floatSqrt } from './big-float-functions.ts';

const ONE: BigFloat = { m: 1n, e: 0 };

export function hyperbolic(bits: number, name: string, a: BigFloat): BigFloat {
  const up = floatExp(bits, a);
  const down = divideFloats(bits, ONE, up);
  const sinh = addFloats(bits, up, negateFloat(down));
  const cosh = addFloats(bits, up, down);
  if (name === 'tanh') return divideFloats(bits, sinh, cosh);
  const { m, e } = name === 'sinh' ? sinh : cosh;
  return { m, e: e - 1 };
}

export function trigonometric(bits: number, name: string, a: BigFloat): BigFloat {
  if (name.startsWith('arc')) return inverse(bits, name, a);
  const { sin, cos } = floatSinCos(bits, a);
  const quotient = (top: BigFloat, bottom: BigFloat): BigFloat => divideFloats(bits, top, bottom);
  switch (name) {
    case 'sin':
      return sin;
    case 'cos':
      return cos;
    case 'tan':
      return quotient(sin, cos);
    case 'cot':
      return quotient(cos, sin);
    case 'sec':
      return quotient(ONE, cos);
    case 'csc':
      return quotient(ONE, sin);
    default:
      return noValue();
  }
}

/** asin x = atan(x/√(1−x²)), acos x = π/2 − asin x. */
function inverse(bits: number, name: string, a: BigFloat): BigFloat {
  if (name === 'arctan') return floatAtan(bits, a);
  const pi = floatPi(bits);
  const half = { m: pi.m, e: pi.e - 1 };
  const size = compareFloats(multiplyFloats(bits, a, a), ONE);
  if (size > 0) noValue();
  const edge = a.m < 0n ? negateFloat(half) : half;
  const below = addFloats(bits, ONE, negateFloat(multiplyFloats(bits, a, a)));
  const asin = size === 0 ? edge : floatAtan(bits, divideFloats(bits, a, floatSqrt(bits, below)));
  return name === 'arcsin' ? asin : addFloats(bits, half, negateFloat(asin));
}
