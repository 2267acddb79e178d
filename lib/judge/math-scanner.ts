import { rational } from './exact-rational.ts';
import { latexCommand, latexSymbol } from './latex-command.ts';
import { symbolToken } from './math-symbol.ts';
import type { MathToken, TokenBody } from './math-token.ts';

const NUMBER = /\d{1,3}(?:(?:,|\{,\}|\\,|\\!,|,\\!)\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+/y;
const NUMBER_START = /[\d.]/;
const LETTER_START = /[A-Za-z\x80-\uffff]/;
const LETTERS = /\p{L}+/uy;
const CONTRACTION = /['’]\p{L}+/uy;
const LIST_MARKER = /[ \t>#]*(?:(?:\(?\d{1,3}[.)]|[-*•]|\([a-z]\))[ \t]+|[-*_=]{3,}[ \t]*(?=\n|$)|#+)/y;
const COMMAND = /\\(?:([A-Za-z]+)|([^A-Za-z]))/uy;
/** Commands whose braces hold prose. */
const PROSE = /\\(?:text|textbf|textit|textrm|mbox|mathrm|operatorname)\s*\{([^{}]{0,200})\}/uy;
const ENVIRONMENT = /\\(begin|end)\s*\{[^{}]{0,40}\}(?:\{[^{}]{0,40}\})?/y;
const SUPERSCRIPT = /[⁰¹²³⁴⁵⁶⁷⁸⁹]+/y;
const MAX_DIGITS = 300;

/** Splits any text, plain or LaTeX, into tokens of arithmetic in one pass. Never throws; what is strange is unclear. */
export function scanMath(text: string): MathToken[] {
  return new Scanner(text).run();
}

class Scanner {
  readonly #text: string;
  readonly #tokens: MathToken[] = [];
  #at = 0;
  #lineStart = true;
  /** Inside display maths a line that starts with "-" goes on; elsewhere it is a bullet. */
  #display = false;

  constructor(text: string) {
    this.#text = text;
  }

  run(): MathToken[] {
    while (this.#at < this.#text.length) this.#at = this.#step();
    return this.#tokens;
  }

  /** Scans one token; like all methods below it gives the position where the scan goes on. */
  #step(): number {
    if (this.#lineStart) {
      this.#lineStart = false;
      const marker = this.#display ? null : this.#match(LIST_MARKER);
      if (marker !== null) return this.#emit(marker[0].length, { type: 'boundary', kind: 'line' });
    }
    const char = this.#text[this.#at]!;
    if (char === '\n') {
      this.#lineStart = true;
      return this.#emit(1, { type: 'boundary', kind: 'line' });
    }
    if (char === ' ' || char === '\t' || char === '\r' || char === '&') return this.#skip(1);
    if (char === '\\') return this.#command();
    if (char === '$') return this.#dollar();
    const number = NUMBER_START.test(char) ? this.#match(NUMBER) : null;
    if (number !== null) return this.#number(number[0]);
    const letters = LETTER_START.test(char) ? this.#match(LETTERS) : null;
    if (letters !== null) return this.#letters(letters[0]);
    const superscript = char > '\x7f' ? this.#match(SUPERSCRIPT) : null;
    if (superscript !== null) return this.#superscript(superscript[0]);
    const symbol = symbolToken(this.#text, this.#at);
    return symbol.token === null ? this.#skip(symbol.length) : this.#emit(symbol.length, symbol.token);
  }

  #command(): number {
    const prose = this.#match(PROSE);
    if (prose !== null) return this.#prose(prose[0].length, prose[1]!);
    const environment = this.#match(ENVIRONMENT);
    if (environment !== null) {
      this.#display = environment[1] === 'begin';
      return this.#emit(environment[0].length, { type: 'boundary', kind: 'line' });
    }
    const match = this.#match(COMMAND);
    if (match === null) return this.#emit(1, { type: 'unclear' });
    const [whole, name, symbol] = match;
    if (symbol === '[' || symbol === ']') this.#display = symbol === '[';
    const body = name === undefined ? latexSymbol(symbol!) : latexCommand(name);
    return body === 'ignored' ? this.#skip(whole.length) : this.#emit(whole.length, body);
  }

  #prose(length: number, content: string): number {
    const words = content.match(/\p{L}+/gu);
    if (words === null) return this.#emit(length, { type: 'unclear' });
    // One token a word would do; the first word is the one that neighbours the number.
    return this.#emit(length, { type: 'word', word: words[0].toLowerCase() });
  }

  #number(run: string): number {
    const source = this.#isFractionDigit() ? run[0]! : run;
    const plain = source.replace(/[^\d.]/g, '');
    const [whole = '', fraction = ''] = plain.split('.');
    const digits = whole + fraction;
    const value =
      digits.length > MAX_DIGITS ? null : rational(BigInt(digits), 10n ** BigInt(fraction.length));
    return this.#emit(source.length, {
      type: 'number',
      value,
      fractionDigits: fraction.length,
      digits: plain,
    });
  }

  /** TeX takes the digits of "\frac12" one by one. */
  #isFractionDigit(): boolean {
    const last = this.#tokens.at(-1);
    const command = last?.type === 'number' && last.digits.length === 1 ? this.#tokens.at(-2) : last;
    return command?.type === 'command' && command.name !== 'sqrt';
  }

  #superscript(source: string): number {
    const digits = [...source].map((char) => '⁰¹²³⁴⁵⁶⁷⁸⁹'.indexOf(char)).join('');
    const value = digits.length > MAX_DIGITS ? null : rational(BigInt(digits));
    this.#emit(0, { type: 'operator', symbol: '^' });
    return this.#emit(source.length, { type: 'number', value, fractionDigits: 0, digits });
  }

  #letters(run: string): number {
    const before = this.#text[this.#at - 1] ?? ' ';
    const after = this.#text[this.#at + run.length] ?? ' ';
    if ((run === 'x' || run === 'X') && this.#isTimes())
      return this.#emit(1, { type: 'operator', symbol: '*' });
    if (run === 'sqrt' && after === '(') return this.#emit(4, { type: 'command', name: 'sqrt' });
    const glued = /[\d_)}^\]'’]/.test(before) || /[\d_([{^]/.test(after);
    if (run.length === 1 || glued) return this.#emit(run.length, { type: 'unclear' });
    CONTRACTION.lastIndex = this.#at + run.length;
    const tail = CONTRACTION.exec(this.#text)?.[0] ?? '';
    return this.#emit(run.length + tail.length, { type: 'word', word: (run + tail).toLowerCase() });
  }

  /** "3 x 4" and "3x4" multiply; "0x4" is a hexadecimal number and "3 x + 4" holds a variable. */
  #isTimes(): boolean {
    const last = this.#tokens.at(-1);
    if (last?.type !== 'number' || last.digits === '0') return false;
    return /^x[ \t]*\d/i.test(this.#text.slice(this.#at, this.#at + 8)) && this.#at - last.end <= 2;
  }

  /** A dollar sign between an operator and a digit is money, otherwise it opens or closes maths. */
  #dollar(): number {
    if (this.#text[this.#at + 1] === '$') {
      this.#display = !this.#display;
      return this.#emit(2, { type: 'boundary', kind: 'math' });
    }
    const last = this.#tokens.at(-1);
    const joined = last?.type === 'operator' || last?.type === 'relation';
    if (joined && /[\d.]/.test(this.#text[this.#at + 1] ?? '')) return this.#skip(1);
    return this.#emit(1, { type: 'boundary', kind: 'math' });
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text);
  }

  #skip(length: number): number {
    return this.#at + length;
  }

  #emit(length: number, body: TokenBody): number {
    this.#tokens.push({ start: this.#at, end: this.#at + length, ...body } as MathToken);
    return this.#at + length;
  }
}
