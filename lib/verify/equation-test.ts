import { seededRandom } from '../random.ts';
import { asRational, evaluateExactly } from './exact-evaluation.ts';
import { type Expression, symbolsOf } from './expression.ts';
import { parseExpression } from './expression-parser.ts';
import { randomPositive, testIdentity } from './identity-test.ts';
import { addRationals, divideRationals, negateRational, type Rational, rational } from './rational.ts';

/** Left side minus right side of "a = b"; null for what is not one equation. */
export function readEquation(text: string): Expression | null {
  const sides = text.split('=');
  if (sides.length !== 2 || /[<>!]/.test(text)) return null;
  const [left, right] = sides.map((side) => parseExpression(side.trim()));
  return left && right ? difference(left, right) : null;
}

const NUMBER_ZERO: Expression = { kind: 'number', value: rational(0n) };

/**
 * f = 0 and g = 0 are multiples of each other where f(p) g(q) = g(p) f(q) for all points p and q. The two sides of
 * that identity; null where f or g is a constant or vanishes everywhere.
 */
export function scalingIdentity(f: Expression, g: Expression): [Expression, Expression] | null {
  for (const side of [f, g]) {
    if (symbolsOf(side).size === 0 || testIdentity(side, NUMBER_ZERO) !== 'different') return null;
  }
  const [fq, gq] = [primed(f), primed(g)];
  return [product(f, gq), product(g, fq)];
}

function difference(a: Expression, b: Expression): Expression {
  return {
    kind: 'apply',
    operation: 'add',
    operands: [a, { kind: 'apply', operation: 'negate', operands: [b] }],
  };
}

function product(a: Expression, b: Expression): Expression {
  return { kind: 'apply', operation: 'multiply', operands: [a, b] };
}

/** The same expression in other symbols. */
function primed(expression: Expression): Expression {
  if (expression.kind === 'symbol') return { kind: 'symbol', name: `${expression.name}@` };
  if (expression.kind !== 'apply') return expression;
  return { ...expression, operands: expression.operands.map(primed) };
}

/**
 * True where a point on one curve is not on the other: where the two sides differ by the same number everywhere
 * (x² + y² = 25 and = 16), or for a variable in which one equation is linear, at its exact root for random values
 * of the others. False says nothing.
 */
export function differentEquations(f: Expression, g: Expression): boolean {
  const gap = difference(f, g);
  if (testIdentity(gap, primed(gap)) === 'exact' && testIdentity(gap, NUMBER_ZERO) === 'different')
    return true;
  const names = [...symbolsOf(g, symbolsOf(f))].sort();
  const random = seededRandom(0x2e);
  for (let tried = 0; tried < 4; tried++) {
    const point = new Map(names.map((name) => [name, randomPositive(random)]));
    for (const name of names) {
      if (leavesCurve(f, g, point, name) || leavesCurve(g, f, point, name)) return true;
    }
  }
  return false;
}

function leavesCurve(f: Expression, g: Expression, point: Map<string, Rational>, name: string): boolean {
  const at = (expression: Expression, value: Rational): Rational | null =>
    asRational(evaluateExactly(expression, new Map(point).set(name, value)));
  const start = at(f, rational(0n));
  const step = at(f, rational(1n));
  if (start === null || step === null) return false;
  const root = divideRationals(negateRational(start), addRationals(step, negateRational(start)));
  // Where f is not linear in this variable, this is no root of it.
  if (root === null || at(f, root)?.num !== 0n) return false;
  const other = at(g, root);
  return other !== null && other.num !== 0n;
}
