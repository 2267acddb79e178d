import { parseRational, type Rational, rational } from './rational.ts';

/** A constant expression: its float64 value, and its exact value where only exact operations were used. */
export interface Constant {
  exact: Rational | null;
  approx: number;
}

const MAX_LENGTH = 500;
const MAX_DEPTH = 40;
const MAX_EXPONENT = 64;

/**
 * Evaluates normalised text such as `25+169`, `3+2\sqrt{2}`, `7\pi`, `2^{10}/3`. Null for anything with a free
 * symbol. This decides that two constants *differ*; equality is only ever concluded from exact values.
 */
export function evaluateConstant(text: string): Constant | null {
  if (text.length > MAX_LENGTH || !/[\d\\]/.test(text)) return null;
  const reader = new ConstantReader(text);
  const value = reader.sum(0);
  return value !== null && reader.atEnd() && Number.isFinite(value.approx) ? value : null;
}

class ConstantReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  #take(token: string): boolean {
    if (!this.#text.startsWith(token, this.#at)) return false;
    this.#at += token.length;
    return true;
  }

  sum(depth: number): Constant | null {
    let left = this.#product(depth);
    while (left !== null) {
      const minus = this.#take('-');
      if (!minus && !this.#take('+')) return left;
      const right = this.#product(depth);
      left = right && add(left, minus ? negate(right) : right);
    }
    return null;
  }

  #product(depth: number): Constant | null {
    if (this.#take('-')) {
      const operand = depth > MAX_DEPTH ? null : this.#product(depth + 1);
      return operand && negate(operand);
    }
    let left = this.#power(depth);
    while (left !== null) {
      const slash = this.#take('/');
      // Juxtaposition multiplies, but a digit after a value would be a second number, not a factor.
      if (
        !slash &&
        !this.#take('*') &&
        !/^(?:\\(?:pi|sqrt)|\()/.test(this.#text.slice(this.#at, this.#at + 6))
      )
        return left;
      const right = this.#power(depth);
      left = right && (slash ? divide(left, right) : multiply(left, right));
    }
    return null;
  }

  #power(depth: number): Constant | null {
    const base = this.#atom(depth + 1);
    if (base === null || !this.#take('^')) return base;
    const digit = /\d/y;
    digit.lastIndex = this.#at;
    const single = digit.exec(this.#text)?.[0];
    if (single === undefined) return power(base, this.#argument(depth));
    this.#at++;
    return power(base, { exact: rational(BigInt(single)), approx: Number(single) });
  }

  #atom(depth: number): Constant | null {
    if (depth > MAX_DEPTH) return null;
    if (this.#take('\\pi')) return { exact: null, approx: Math.PI };
    if (this.#take('\\sqrt')) return root(this.#argument(depth));
    if (this.#take('\\frac')) {
      const top = this.#argument(depth);
      const bottom = top && this.#argument(depth);
      return top && bottom && divide(top, bottom);
    }
    if (this.#take('(')) {
      const inner = this.sum(depth + 1);
      return this.#take(')') ? inner : null;
    }
    return this.#number();
  }

  #argument(depth: number): Constant | null {
    if (depth > MAX_DEPTH || !this.#take('{')) return null;
    const inner = this.sum(depth + 1);
    return this.#take('}') ? inner : null;
  }

  #number(): Constant | null {
    const pattern = /\d+(?:\.\d+)?/y;
    pattern.lastIndex = this.#at;
    const digits = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += digits.length;
    const exact = parseRational(digits)?.value ?? null;
    // "2\frac{1}{2}" is a mixed number to some and a product to others: not ours to guess.
    if (exact === null || this.#text.startsWith('\\frac', this.#at)) return null;
    return { exact, approx: Number(digits) };
  }
}

function negate(a: Constant): Constant {
  return { exact: a.exact && { num: -a.exact.num, den: a.exact.den }, approx: -a.approx };
}

function add(a: Constant, b: Constant): Constant {
  const exact =
    a.exact &&
    b.exact &&
    rational(a.exact.num * b.exact.den + b.exact.num * a.exact.den, a.exact.den * b.exact.den);
  return { exact, approx: a.approx + b.approx };
}

function multiply(a: Constant, b: Constant): Constant {
  const exact = a.exact && b.exact && rational(a.exact.num * b.exact.num, a.exact.den * b.exact.den);
  return { exact, approx: a.approx * b.approx };
}

function divide(a: Constant, b: Constant): Constant | null {
  if (b.approx === 0 || b.exact?.num === 0n) return null;
  const exact = a.exact && b.exact && rational(a.exact.num * b.exact.den, a.exact.den * b.exact.num);
  return { exact, approx: a.approx / b.approx };
}

function power(base: Constant, exponent: Constant | null): Constant | null {
  if (exponent === null) return null;
  const approx = base.approx ** exponent.approx;
  const whole = exponent.exact?.den === 1n ? exponent.exact.num : null;
  if (whole === null || base.exact === null || whole < 0n || whole > MAX_EXPONENT)
    return { exact: null, approx };
  return { exact: rational(base.exact.num ** whole, base.exact.den ** whole), approx };
}

function root(operand: Constant | null): Constant | null {
  if (operand === null || operand.approx < 0) return null;
  const approx = Math.sqrt(operand.approx);
  const exact = operand.exact;
  // Only perfect squares small enough for float64 to find their root.
  if (exact === null || exact.num > 2n ** 52n || exact.den > 2n ** 52n) return { exact: null, approx };
  const num = BigInt(Math.round(Math.sqrt(Number(exact.num))));
  const den = BigInt(Math.round(Math.sqrt(Number(exact.den))));
  const perfect = num * num === exact.num && den * den === exact.den;
  return { exact: perfect ? rational(num, den) : null, approx };
}
