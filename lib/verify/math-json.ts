import type { Expression } from './expression.ts';

/** MathJSON: the exchange format of the symbolic engine. */
export type MathJson = string | { num: string } | readonly [string, ...MathJson[]];

const HEADS: Readonly<Record<string, string>> = {
  add: 'Add',
  negate: 'Negate',
  multiply: 'Multiply',
  divide: 'Divide',
  power: 'Power',
  root: 'Root',
  factorial: 'Factorial',
  binomial: 'Binomial',
  abs: 'Abs',
  floor: 'Floor',
  ceil: 'Ceil',
  ln: 'Ln',
  log: 'Log',
  exp: 'Exp',
  arcsin: 'Arcsin',
  arccos: 'Arccos',
  arctan: 'Arctan',
};

const CONSTANTS = { pi: 'Pi', e: 'ExponentialE', i: 'ImaginaryUnit' } as const;

/**
 * The expression as it was read here, for the engine: its own reader takes "pi/2" for p·i/2. Symbols are renamed
 * (v0, v1, …), so that none is a name that the engine knows.
 */
export function toMathJson(expression: Expression, names: readonly string[]): MathJson {
  switch (expression.kind) {
    case 'number': {
      const { num, den } = expression.value;
      return den === 1n ? { num: `${num}` } : ['Rational', { num: `${num}` }, { num: `${den}` }];
    }
    case 'constant':
      return CONSTANTS[expression.name];
    case 'symbol':
      return `v${names.indexOf(expression.name)}`;
    case 'apply': {
      const { operation, operands } = expression;
      const head = HEADS[operation] ?? `${operation[0]!.toUpperCase()}${operation.slice(1)}`;
      return [head, ...operands.map((operand) => toMathJson(operand, names))];
    }
  }
}
