import type { Rational } from './exact-rational.ts';
import * as exact from './exact-rational.ts';
import type { MathToken } from './math-token.ts';

export interface NumericValue {
  value: Rational;
  /** False for a bare number, signed or in parentheses: "7 = 7" claims nothing. */
  compound: boolean;
  /** Digits after the point of a bare number, otherwise null. */
  literalDigits: number | null;
  /** Whether any number is written with a decimal point, so that rounding may be meant. */
  hasDecimal: boolean;
  /** The first number, where the expression starts with one and goes on: "7 + 5" in "3 + 4 = 7 + 5 = 12". */
  leading: Rational | null;
  /** Read one way of several in use ("-2^2", "6/2(1+2)"): fit to confirm, never to refute. */
  ambiguous: boolean;
}

const MAX_DEPTH = 40;
/** Thrown inside the parser only: whatever is not a plain numeric expression is not judged. */
const NOT_NUMERIC = Symbol('not numeric');

/** The exact value of a purely numeric expression, or null. Linear in the number of tokens. */
export function evaluateNumeric(tokens: readonly MathToken[]): NumericValue | null {
  if (tokens.length === 0) return null;
  try {
    return new Parser(tokens).run();
  } catch (reason) {
    if (reason === NOT_NUMERIC) return null;
    throw reason;
  }
}

class Parser {
  readonly #tokens: readonly MathToken[];
  #at = 0;
  #depth = 0;
  #operations = 0;
  #hasDecimal = false;
  #ambiguous = false;

  constructor(tokens: readonly MathToken[]) {
    this.#tokens = tokens;
  }

  run(): NumericValue {
    const value = this.#sum();
    if (this.#at < this.#tokens.length) throw NOT_NUMERIC;
    const compound = this.#operations > 0;
    const numbers = this.#tokens.filter((token) => token.type === 'number');
    const first = this.#tokens[0]!;
    return {
      value,
      compound,
      literalDigits: compound ? null : numbers[0]!.fractionDigits,
      hasDecimal: this.#hasDecimal,
      leading: compound && first.type === 'number' ? first.value : null,
      ambiguous: this.#ambiguous,
    };
  }

  #sum(): Rational {
    if (++this.#depth > MAX_DEPTH) throw NOT_NUMERIC;
    let value = this.#product();
    for (let symbol = this.#operator('+-'); symbol !== null; symbol = this.#operator('+-')) {
      const right = this.#product();
      value = this.#apply(symbol === '+' ? exact.add(value, right) : exact.subtract(value, right));
    }
    this.#depth--;
    return value;
  }

  #product(): Rational {
    let value = this.#signed();
    let divided = false;
    for (;;) {
      const symbol = this.#operator('*/');
      if (symbol === null && !this.#startsImplicitFactor()) return value;
      // "6/2(1+2)" and "42/70 ÷ 42/42" are read both ways.
      if (symbol !== '*' && divided) this.#ambiguous = true;
      const right = symbol === null ? this.#power() : this.#signed();
      if (symbol === '/') divided = true;
      value = this.#apply(symbol === '/' ? exact.divide(value, right) : exact.multiply(value, right));
    }
  }

  #signed(): Rational {
    if (this.#operator('-') === null) return this.#power();
    const before = this.#operations;
    const value = this.#power();
    // "-2^2" is −4 by the book and 4 in many hands.
    if (this.#operations > before) this.#ambiguous = true;
    return exact.subtract({ n: 0n, d: 1n }, value) ?? value;
  }

  #power(): Rational {
    const base = this.#postfix();
    if (this.#operator('^') === null) return base;
    const negative = this.#operator('-') !== null;
    const exponent = this.#postfix();
    if (this.#peek()?.type === 'operator' && this.#operator('^') !== null) throw NOT_NUMERIC;
    const signed = negative ? { n: -exponent.n, d: exponent.d } : exponent;
    return this.#apply(exact.power(base, signed));
  }

  #postfix(): Rational {
    let value = this.#primary();
    while (this.#operator('!') !== null) value = this.#apply(exact.factorial(value));
    return value;
  }

  #primary(): Rational {
    const token = this.#tokens[this.#at++];
    if (token?.type === 'number' && token.value !== null) {
      if (token.fractionDigits > 0) this.#hasDecimal = true;
      return token.value;
    }
    if (token?.type === 'open') {
      const value = this.#sum();
      const close = this.#tokens[this.#at++];
      if (close?.type !== 'close' || close.bracket !== token.bracket) throw NOT_NUMERIC;
      return value;
    }
    if (token?.type !== 'command') throw NOT_NUMERIC;
    if (token.name === 'sqrt') return this.#apply(exact.squareRoot(this.#argument()));
    const upper = this.#argument();
    const lower = this.#argument();
    return this.#apply(token.name === 'frac' ? exact.divide(upper, lower) : exact.binomial(upper, lower));
  }

  /** `{…}`, `(…)` after a root sign, or a bare number (the scanner splits the digits of "\frac12"). */
  #argument(): Rational {
    const type = this.#peek()?.type;
    if (type !== 'number' && type !== 'open') throw NOT_NUMERIC;
    return this.#primary();
  }

  /** "2(3)", "(2)(3)", "2\sqrt{4}"; "3\frac12" is left out, being a mixed number or a product. */
  #startsImplicitFactor(): boolean {
    const next = this.#peek();
    const last = this.#tokens[this.#at - 1];
    if (next?.type === 'open') return next.bracket === '(';
    if (next?.type !== 'command') return false;
    return last?.type === 'close' || next.name !== 'frac';
  }

  #operator(symbols: string): string | null {
    const token = this.#peek();
    if (token?.type !== 'operator' || !symbols.includes(token.symbol)) return null;
    this.#at++;
    return token.symbol;
  }

  #peek(): MathToken | undefined {
    return this.#tokens[this.#at];
  }

  /** Counts an operation and gives up where it has no exact or no reasonable result. */
  #apply(result: Rational | null): Rational {
    if (result === null) throw NOT_NUMERIC;
    this.#operations++;
    return result;
  }
}
