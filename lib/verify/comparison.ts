import type { Verdict } from '../data/records.ts';

/** A verdict and the name of the rule that gave it. */
export interface Comparison {
  verdict: Verdict;
  rule: string;
}

/** What a symbolic engine said of two texts, where it was asked; null where it was not. */
export type Ask = (a: string, b: string) => SymbolicResult | null;

/** timeout and memory: the engine was stopped; nothing is known. */
export type SymbolicResult = 'equal' | 'different' | 'unknown' | 'timeout' | 'memory';

export const right = (rule: string): Comparison => ({ verdict: 'right', rule });
export const wrong = (rule: string): Comparison => ({ verdict: 'wrong', rule });
export const unknown = (rule: string): Comparison => ({ verdict: 'unknown', rule });

export const SYMBOLIC = 'symbolic';

/** Leaves the decision to the engine; without one it is 'unknown' by the rule 'symbolic'. */
export function askSymbolic(gold: string, given: string, ask: Ask): Comparison {
  switch (ask(gold, given)) {
    case 'equal':
      return right('symbolic-equal');
    case 'different':
      return wrong('symbolic-different');
    case 'timeout':
      return unknown('symbolic-timeout');
    case 'memory':
      return unknown('symbolic-memory');
    default:
      return unknown(SYMBOLIC);
  }
}

/** The members of two answers of one shape: wrong where one is wrong, right where all are, else what held it up. */
export function allOf(results: readonly Comparison[], rule: { right: string; wrong: string }): Comparison {
  if (results.some(({ verdict }) => verdict === 'wrong')) return wrong(rule.wrong);
  return results.find(({ verdict }) => verdict === 'unknown') ?? right(rule.right);
}
