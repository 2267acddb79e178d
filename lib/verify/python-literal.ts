import { parseRational } from './written-number.ts';

const MAX_DEPTH = 64;
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '0': '\0',
  b: '\b',
  f: '\f',
  '\n': '',
};

/**
 * A canonical text of a Python (or JSON) literal: strings, numbers, lists, tuples, sets, dicts, True, False, None.
 * Two literals are equal exactly when their canonical texts are: quotes and spacing do not count, the order
 * of dict and set members does not, 1.0 equals 1. Null for anything that is not one complete literal.
 */
export function canonicalLiteral(text: string): string | null {
  const reader = new LiteralReader(text);
  const value = reader.value(0);
  return value !== null && reader.atEnd() ? value : null;
}

/** The value of a text that is one quoted string, else null. */
export function quotedString(text: string): string | null {
  if (!/^["']/.test(text.trim())) return null;
  const canonical = canonicalLiteral(text);
  return canonical === null ? null : (JSON.parse(canonical) as string);
}

class LiteralReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    this.#skip();
    return this.#at === this.#text.length;
  }

  value(depth: number): string | null {
    if (depth > MAX_DEPTH) return null;
    this.#skip();
    const char = this.#text[this.#at];
    if (char === '"' || char === "'") return this.#string(char);
    if (char === '[') return this.#sequence(']', depth);
    if (char === '(') return this.#sequence(')', depth);
    if (char === '{') return this.#braces(depth);
    return this.#word();
  }

  #skip(): void {
    while (/\s/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #take(char: string): boolean {
    this.#skip();
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #string(quote: string): string | null {
    let value = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const char = this.#text[this.#at]!;
      if (char === quote) {
        this.#at++;
        return JSON.stringify(value);
      }
      value += char === '\\' ? this.#escape() : char;
    }
    return null;
  }

  /** At a backslash; leaves the position on the last character of the escape. */
  #escape(): string {
    const char = this.#text[++this.#at] ?? '';
    const digits = { x: 2, u: 4 }[char];
    if (digits !== undefined) {
      const hex = this.#text.slice(this.#at + 1, this.#at + 1 + digits);
      if (hex.length === digits && /^[\da-f]+$/i.test(hex)) {
        this.#at += digits;
        return String.fromCharCode(Number.parseInt(hex, 16));
      }
    }
    const named = ESCAPES[char];
    if (named !== undefined) return named;
    // As in Python, an unknown escape keeps its backslash.
    return char === '\\' || char === '"' || char === "'" ? char : `\\${char}`;
  }

  #sequence(close: string, depth: number): string | null {
    this.#at++;
    const items: string[] = [];
    while (!this.#take(close)) {
      const item = this.value(depth + 1);
      if (item === null) return null;
      items.push(item);
      if (this.#take(',')) continue;
      if (!this.#take(close)) return null;
      break;
    }
    return close === ']' ? `[${items}]` : `(${items})`;
  }

  #braces(depth: number): string | null {
    this.#at++;
    const items = new Map<string, string>();
    let isMap = true;
    while (!this.#take('}')) {
      const key = this.value(depth + 1);
      if (key === null) return null;
      isMap = this.#take(':');
      const value = isMap ? this.value(depth + 1) : '';
      if (value === null) return null;
      items.set(key, isMap ? `${key}:${value}` : key);
      if (this.#take(',')) continue;
      if (!this.#take('}')) return null;
      break;
    }
    return `${isMap ? 'map' : 'set'}{${[...items.values()].sort()}}`;
  }

  #word(): string | null {
    const match = /[-+\w.]+/y;
    match.lastIndex = this.#at;
    const word = match.exec(this.#text)?.[0] ?? '';
    this.#at += word.length;
    const lower = word.toLowerCase();
    if (lower === 'true' || lower === 'false') return lower;
    if (lower === 'none' || lower === 'null') return 'none';
    const number = parseRational(word);
    return number === null ? null : `${number.value.num}/${number.value.den}`;
  }
}
