import type { Rational } from './exact-rational.ts';

/** Where an expression certainly ends: a line, a math delimiter, punctuation, an arrow. */
export type BoundaryKind = 'line' | 'math' | 'sentence' | 'comma' | 'colon' | 'arrow';
export type RelationKind = 'equal' | 'approximate' | 'other';

export type MathToken = { start: number; end: number } & (
  | { type: 'number'; value: Rational | null; fractionDigits: number; digits: string }
  | { type: 'operator'; symbol: '+' | '-' | '*' | '/' | '^' | '!' }
  | { type: 'open' | 'close'; bracket: '(' | '{' }
  | { type: 'command'; name: 'frac' | 'sqrt' | 'binom' }
  | { type: 'relation'; relation: RelationKind }
  | { type: 'boundary'; kind: BoundaryKind }
  | { type: 'word'; word: string }
  /** A variable, an unknown command, a unit glued to a number: whatever it touches is not judged. */
  | { type: 'unclear' }
);

/** A token without its place. */
export type TokenBody = MathToken extends infer T
  ? T extends MathToken
    ? Omit<T, 'start' | 'end'>
    : never
  : never;
