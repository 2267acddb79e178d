import {
  addFloats,
  type BigFloat,
  divideFloats,
  FLOAT_ZERO,
  floatOfRational,
  multiplyFloats,
  NO_VALUE,
  negateFloat,
  noValue,
  order,
} from './big-float.ts';
import { floatExp, floatLn, floatPi, floatRoot } from './big-float-functions.ts';
import {
  addComplex,
  type ComplexFloat,
  complexMagnitude,
  divideComplex,
  expComplex,
  multiplyComplex,
  negateComplex,
  realFloat,
  sqrtComplex,
} from './complex-float.ts';
import type { Expression } from './expression.ts';
import type { Rational } from './rational.ts';
import { hyperbolic, trigonometric } from './trigonometry.ts';

export interface EvaluationContext {
  /** Bits of every intermediate result. */
  bits: number;
  /** A rational for every symbol. */
  point: ReadonlyMap<string, Rational>;
  /** What a logarithm without a base means. */
  bareLog: 'natural' | 'decimal';
}

/** The value with about `bits` bits less what cancels, or null where it is undefined or out of reach. */
export function evaluateNumerically(expression: Expression, context: EvaluationContext): ComplexFloat | null {
  try {
    return value(expression, context);
  } catch (reason) {
    if (reason === NO_VALUE) return null;
    throw reason;
  }
}

const ONE: BigFloat = { m: 1n, e: 0 };
const MAX_FACTORIAL = 3000n;

function value(expression: Expression, context: EvaluationContext): ComplexFloat {
  const { bits } = context;
  switch (expression.kind) {
    case 'number':
      return realFloat(floatOfRational(bits, expression.value));
    case 'symbol':
      return realFloat(floatOfRational(bits, context.point.get(expression.name) ?? noValue()));
    case 'constant':
      if (expression.name === 'i') return { re: FLOAT_ZERO, im: ONE };
      return realFloat(expression.name === 'pi' ? floatPi(bits) : floatExp(bits, ONE));
    case 'apply':
      return applyOperation(
        expression.operation,
        expression.operands.map((operand) => value(operand, context)),
        context,
      );
  }
}

function applyOperation(
  operation: string,
  operands: readonly ComplexFloat[],
  context: EvaluationContext,
): ComplexFloat {
  const { bits } = context;
  const [a, b] = operands as [ComplexFloat, ComplexFloat];
  switch (operation) {
    case 'add':
      return operands.reduce((left, right) => addComplex(bits, left, right));
    case 'negate':
      return negateComplex(a);
    case 'multiply':
      return multiplyComplex(bits, a, b);
    case 'divide':
      return divideComplex(bits, a, b);
    case 'power':
      return power(bits, a, b);
    case 'root':
      return root(bits, a, wholeNumber(b, 64n));
    case 'exp':
      return expComplex(bits, a);
    case 'abs':
      return realFloat(complexMagnitude(bits, a));
    default:
      return realFloat(realFunction(operation, operands.map(onAxis), context));
  }
}

function onAxis(a: ComplexFloat): BigFloat {
  return a.im.m === 0n ? a.re : noValue();
}

/** A number that is whole exactly; rounding must not decide it. */
function wholeNumber(a: ComplexFloat, limit: bigint): number {
  const { m, e } = onAxis(a);
  if (m !== 0n && (e > 64 || e < -4096)) noValue();
  const n = e >= 0 ? m << BigInt(e) : m >> BigInt(-e);
  if ((e < 0 && n << BigInt(-e) !== m) || n > limit || n < -limit) noValue();
  return Number(n);
}

function isWhole(a: ComplexFloat): boolean {
  if (a.im.m !== 0n || a.re.e < -4096) return false;
  return a.re.e >= 0 || (a.re.m >> BigInt(-a.re.e)) << BigInt(-a.re.e) === a.re.m;
}

function power(bits: number, base: ComplexFloat, exponent: ComplexFloat): ComplexFloat {
  if (isWhole(exponent) && order(exponent.re) <= 32) {
    return wholePower(bits, base, wholeNumber(exponent, 1n << 32n));
  }
  const positive = onAxis(base);
  if (positive.m <= 0n) noValue(); // a negative base with a fraction above it has several readings
  const scaled = multiplyComplex(bits + 64, exponent, realFloat(floatLn(bits + 64, positive)));
  return expComplex(bits, scaled);
}

function wholePower(bits: number, base: ComplexFloat, exponent: number): ComplexFloat {
  if (exponent === 0 && base.re.m === 0n && base.im.m === 0n) noValue();
  const work = bits + 64;
  let result = realFloat(ONE);
  let square = base;
  for (let left = Math.abs(exponent); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = multiplyComplex(work, result, square);
    if (left > 1) square = multiplyComplex(work, square, square);
  }
  return exponent < 0 ? divideComplex(bits, realFloat(ONE), result) : result;
}

function root(bits: number, radicand: ComplexFloat, degree: number): ComplexFloat {
  if (degree === 2) return sqrtComplex(bits, radicand);
  const a = onAxis(radicand);
  if (degree < 2 || (a.m < 0n && degree % 2 === 0)) noValue();
  if (a.m >= 0n) return realFloat(floatRoot(bits, a, degree));
  return realFloat(negateFloat(floatRoot(bits, negateFloat(a), degree)));
}

function realFunction(name: string, operands: readonly BigFloat[], context: EvaluationContext): BigFloat {
  const { bits } = context;
  const [a, b] = operands as [BigFloat, BigFloat];
  switch (name) {
    case 'ln':
      return floatLn(bits, a);
    case 'log':
      return logarithm(a, b, context);
    case 'factorial':
      return fallingProduct(bits, a, wholeNumber(realFloat(a), MAX_FACTORIAL));
    case 'binomial':
      return binomial(bits, a, wholeNumber(realFloat(b), MAX_FACTORIAL));
    case 'floor':
      return floor(a);
    case 'ceil':
      return negateFloat(floor(negateFloat(a)));
    case 'sinh':
    case 'cosh':
    case 'tanh':
      return hyperbolic(bits, name, a);
    default:
      return trigonometric(bits, name, a);
  }
}

function logarithm(a: BigFloat, base: BigFloat | undefined, { bits, bareLog }: EvaluationContext): BigFloat {
  const top = floatLn(bits, a);
  if (base === undefined && bareLog === 'natural') return top;
  return divideFloats(bits, top, floatLn(bits, base ?? { m: 10n, e: 0 }));
}

/** a (a−1) … over k factors. */
function fallingProduct(bits: number, a: BigFloat, k: number): BigFloat {
  if (k < 0) noValue();
  let product = ONE;
  for (let i = 0; i < k; i++) {
    product = multiplyFloats(bits + 32, product, addFloats(bits, a, { m: BigInt(-i), e: 0 }));
  }
  return product;
}

function binomial(bits: number, a: BigFloat, k: number): BigFloat {
  const below = fallingProduct(bits, { m: BigInt(k), e: 0 }, k);
  return divideFloats(bits, fallingProduct(bits, a, k), below);
}

function floor(a: BigFloat): BigFloat {
  if (a.e >= 0) return a;
  return { m: a.m >> BigInt(Math.min(-a.e, 1 << 20)), e: 0 };
}
