import { type Expression, FUNCTIONS, type Operation } from './expression.ts';
import { type Token, tokenize } from './expression-tokens.ts';
import { TokenCursor, UNREADABLE } from './token-cursor.ts';
import { readDecimal } from './written-number.ts';

const MAX_LENGTH = 1000;
const MAX_TOKENS = 400;
const MAX_DEPTH = 48;

/**
 * Reads normalised text (see normalize.ts) as one expression: LaTeX, plain text ("pi/2", "exp(16)") or a mixture.
 * Null for what is not an expression, and for what two readers would read in two ways: "1/2x", "2\frac{1}{2}"
 * inside a sum, "f(x)", a long unknown word.
 */
export function parseExpression(text: string): Expression | null {
  if (text.length > MAX_LENGTH) return null;
  const tokens = tokenize(text, MAX_TOKENS);
  if (tokens === null || tokens.length === 0) return null;
  try {
    return new ExpressionParser(tokens).whole();
  } catch (reason) {
    if (reason === UNREADABLE) return null;
    throw reason;
  }
}

const KNOWN = new Set<string>(FUNCTIONS);
const SYNONYMS: Readonly<Record<string, string>> = {
  asin: 'arcsin',
  acos: 'arccos',
  atan: 'arctan',
  dfrac: 'frac',
  lg: 'log',
};
const TRIGONOMETRIC = /^(?:sin|cos|tan|cot|sec|csc)$/;
const GREEK =
  /^(?:alpha|beta|gamma|delta|epsilon|varepsilon|zeta|eta|theta|vartheta|iota|kappa|lambda|mu|nu|xi|rho|sigma|tau|upsilon|phi|varphi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|ell)$/;
const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}', '|': '|' };
/** Letters that name functions, so that "f(x)" is no product. */
const FUNCTION_LETTERS = /^[fghFGHPQ]$/;

class ExpressionParser {
  readonly #cursor: TokenCursor;
  #depth = 0;
  #inAngle = false;
  /** Bars that wait for their partner: a bar after an operand closes one. */
  #openBars = 0;

  constructor(tokens: readonly Token[]) {
    this.#cursor = new TokenCursor(tokens);
  }

  whole(): Expression {
    const result = this.#sum();
    if (this.#cursor.peek() !== undefined) throw UNREADABLE;
    return result;
  }

  #sum(): Expression {
    if (++this.#depth > MAX_DEPTH) throw UNREADABLE;
    const terms: Expression[] = [];
    let sign = this.#cursor.take('-') ? '-' : this.#cursor.take('+') ? '+' : '';
    do {
      const term = this.#product();
      terms.push(sign === '-' ? apply('negate', term) : term);
      sign = this.#cursor.take('+') ? '+' : this.#cursor.take('-') ? '-' : '';
    } while (sign !== '');
    this.#depth--;
    return terms.length === 1 ? terms[0]! : apply('add', ...terms);
  }

  #product(): Expression {
    let left = this.#factor();
    let afterSlash = false;
    for (;;) {
      if (this.#cursor.take('*') || this.#cursor.takeName('cdot') || this.#cursor.takeName('times')) {
        left = apply('multiply', left, this.#signed());
        afterSlash = false;
      } else if (this.#cursor.take('/') || this.#cursor.takeName('div')) {
        left = apply('divide', left, this.#signed());
        afterSlash = true;
      } else if (this.#startsOperand()) {
        if (afterSlash || this.#isMixedNumber()) throw UNREADABLE;
        left = apply('multiply', left, this.#factor());
      } else return left;
    }
  }

  #signed(): Expression {
    if (!this.#cursor.take('-')) return this.#factor();
    return apply('negate', this.#factor());
  }

  /** A whole number right before a fraction of two numbers: 2½ to some, 2 · ½ to others. */
  #isMixedNumber(): boolean {
    const before = this.#cursor.previous();
    const slice = this.#cursor.ahead(7).map((token) => token.text);
    const [name, open, top, close, open2, bottom] = slice;
    return (
      before?.type === 'number' &&
      name === 'frac' &&
      open === '{' &&
      /^\d+$/.test(top ?? '') &&
      close === '}' &&
      open2 === '{' &&
      /^\d+$/.test(bottom ?? '')
    );
  }

  #factor(): Expression {
    let base = this.#operand();
    for (;;) {
      if (this.#cursor.take('!')) base = apply('factorial', base);
      else if (this.#cursor.take('°')) base = this.#inAngle ? degrees(base) : base;
      else if (this.#cursor.take('^')) {
        const exponent = this.#exponent();
        if (this.#cursor.peek()?.text === '^') throw UNREADABLE; // 2^3^4 without braces
        base = apply('power', base, exponent);
      } else return base;
    }
  }

  #exponent(): Expression {
    if (this.#cursor.take('-')) return apply('negate', this.#operand());
    return this.#operand();
  }

  #operand(): Expression {
    if (++this.#depth > MAX_DEPTH) throw UNREADABLE;
    const token = this.#cursor.next();
    let result: Expression;
    if (token.type === 'number') result = numberOf(token.text);
    else if (token.type === 'name') result = this.#named(token.text);
    else result = this.#bracketed(token.text);
    this.#depth--;
    return result;
  }

  #bracketed(open: string): Expression {
    const close = PAIRS[open];
    if (close === undefined) throw UNREADABLE;
    if (open !== '|') return this.#closing(close);
    this.#openBars++;
    const inner = this.#sum();
    this.#openBars--;
    this.#cursor.expect('|');
    return apply('abs', inner);
  }

  /** Bars outside a bracket do not close inside it. */
  #closing(close: string): Expression {
    const bars = this.#openBars;
    this.#openBars = 0;
    const inner = this.#sum();
    this.#openBars = bars;
    this.#cursor.expect(close);
    return inner;
  }

  #named(written: string): Expression {
    const name = SYNONYMS[written] ?? written;
    if (name === 'pi' || name === 'e' || name === 'i') return this.#constant(name);
    if (name === 'frac' || name === 'binom' || name === 'tbinom' || name === 'dbinom') {
      const top = this.#argument();
      return apply(name === 'frac' ? 'divide' : 'binomial', top, this.#argument());
    }
    if (name === 'sqrt') return this.#root();
    if (name === 'cbrt') return apply('root', this.#argument(), numberOf('3'));
    if (name === 'lfloor' || name === 'lceil') return this.#rounded(name.slice(1));
    if (name === 'lvert') return this.#until('rvert', 'abs');
    if (KNOWN.has(name)) return this.#function(name);
    if (!/^[a-zA-Z]$/.test(name) && !GREEK.test(name)) throw UNREADABLE;
    return this.#symbol(name);
  }

  #constant(name: 'pi' | 'e' | 'i'): Expression {
    if (this.#cursor.peek()?.text === '_') return this.#symbol(name);
    return { kind: 'constant', name };
  }

  #symbol(letter: string): Expression {
    let name = letter;
    if (this.#cursor.take('_')) name += `_${this.#subscript()}`;
    while (this.#cursor.take("'")) name += "'";
    if (FUNCTION_LETTERS.test(letter) && this.#cursor.peek()?.text === '(') throw UNREADABLE;
    return { kind: 'symbol', name };
  }

  #subscript(): string {
    if (!this.#cursor.take('{')) return this.#cursor.next().text;
    let text = '';
    while (!this.#cursor.take('}')) text += this.#cursor.next().text;
    return text;
  }

  #root(): Expression {
    if (!this.#cursor.take('[')) return apply('root', this.#argument(), numberOf('2'));
    const degree = this.#closing(']');
    return apply('root', this.#argument(), degree);
  }

  #rounded(name: string): Expression {
    return this.#until(`r${name}`, name);
  }

  #until(close: string, operation: Operation): Expression {
    const inner = this.#sum();
    if (!this.#cursor.takeName(close)) throw UNREADABLE;
    return apply(operation, inner);
  }

  #function(name: string): Expression {
    const base = name === 'log' && this.#cursor.take('_') ? this.#logBase() : null;
    const power = this.#cursor.take('^') ? this.#exponent() : null;
    const inverse = power !== null && power.kind !== 'number';
    // \sin^{-1} is the inverse function; any other power but a number is not in use.
    if (inverse && !(isMinusOne(power) && TRIGONOMETRIC.test(name))) throw UNREADABLE;
    if (inverse) return apply(`arc${name}`, this.#functionArgument());
    const before = this.#inAngle;
    this.#inAngle = TRIGONOMETRIC.test(name);
    const argument = this.#functionArgument();
    this.#inAngle = before;
    const call = base === null ? apply(name, argument) : apply(name, argument, base);
    return power === null ? call : apply('power', call, power);
  }

  /** In LaTeX "\log_28" is log₂ 8: a subscript without braces is one digit. */
  #logBase(): Expression {
    const token = this.#cursor.peek();
    if (token?.type !== 'number' || token.text.length === 1) return this.#operand();
    throw UNREADABLE;
  }

  /** What stands in brackets, or the run of plain factors that follows: "\sin 2x\cos x" is sin(2x) · cos(x). */
  #functionArgument(): Expression {
    const first = this.#cursor.peek();
    if (first?.type === 'mark' && first.text in PAIRS) return this.#operand();
    let result = this.#cursor.take('-') ? apply('negate', this.#factor()) : this.#factor();
    while (this.#startsOperand()) {
      const { type, text } = this.#cursor.peek()!;
      if (type === 'mark' || (type === 'name' && KNOWN.has(SYNONYMS[text] ?? text))) break;
      result = apply('multiply', result, this.#factor());
    }
    if (this.#cursor.peek()?.text === '/' && first?.type === 'name') throw UNREADABLE; // "\sin x/2"
    return result;
  }

  #argument(): Expression {
    const token = this.#cursor.peek();
    if (token?.type === 'mark' && (token.text === '{' || token.text === '(')) return this.#operand();
    if (token?.type === 'number' && token.text.length === 1) return this.#operand();
    if (token?.type === 'name' && !KNOWN.has(token.text)) return this.#operand();
    throw UNREADABLE;
  }

  #startsOperand(): boolean {
    const token = this.#cursor.peek();
    if (token === undefined) return false;
    if (token.type === 'name') return !/^(?:rvert|rfloor|rceil)$/.test(token.text);
    if (token.type === 'number') return this.#cursor.previous()?.type !== 'number';
    if (token.text === '|') return this.#openBars === 0;
    return token.text === '(' || token.text === '{' || token.text === '[';
  }
}

function apply(operation: Operation, ...operands: Expression[]): Expression {
  return { kind: 'apply', operation, operands };
}

function isMinusOne(expression: Expression): boolean {
  if (expression.kind !== 'apply' || expression.operation !== 'negate') return false;
  const [operand] = expression.operands;
  return operand?.kind === 'number' && operand.value.num === 1n && operand.value.den === 1n;
}

function numberOf(text: string): Expression {
  const value = readDecimal(text);
  if (value === null) throw UNREADABLE;
  return { kind: 'number', value };
}

function degrees(angle: Expression): Expression {
  return apply('divide', apply('multiply', angle, { kind: 'constant', name: 'pi' }), numberOf('180'));
}
