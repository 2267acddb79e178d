import type { Rational } from './rational.ts';

/** The functions that expressions may apply. `log` takes an optional base; without one its base is not stated. */
export const FUNCTIONS = [
  ...['sin', 'cos', 'tan', 'cot', 'sec', 'csc', 'arcsin', 'arccos', 'arctan', 'sinh', 'cosh', 'tanh'],
  ...['ln', 'log', 'exp', 'abs', 'floor', 'ceil'],
] as const;

export type Operation =
  | 'add'
  | 'negate'
  | 'multiply'
  | 'divide'
  | 'power'
  | 'root' // operands: radicand, degree
  | 'factorial'
  | 'binomial'
  | (string & {}); // one of FUNCTIONS

/** An expression as read; nothing is simplified. */
export type Expression =
  | { kind: 'number'; value: Rational }
  | { kind: 'constant'; name: 'pi' | 'e' | 'i' }
  | { kind: 'symbol'; name: string }
  | { kind: 'apply'; operation: Operation; operands: readonly Expression[] };

export function symbolsOf(expression: Expression, into = new Set<string>()): Set<string> {
  if (expression.kind === 'symbol') into.add(expression.name);
  if (expression.kind === 'apply') for (const operand of expression.operands) symbolsOf(operand, into);
  return into;
}

/** Whether a factorial or binomial of a symbol occurs, so that whole numbers are meant. */
export function countsSymbols(expression: Expression): boolean {
  if (expression.kind !== 'apply') return false;
  const { operation, operands } = expression;
  if ((operation === 'factorial' || operation === 'binomial') && symbolsOf(expression).size > 0) return true;
  return operands.some(countsSymbols);
}

/** Whether a logarithm without a stated base occurs: its value depends on the writer's convention. */
export function hasBareLog(expression: Expression): boolean {
  if (expression.kind !== 'apply') return false;
  if (expression.operation === 'log' && expression.operands.length === 1) return true;
  return expression.operands.some(hasBareLog);
}
