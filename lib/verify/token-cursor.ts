import type { Token } from './expression-tokens.ts';

/** Thrown inside the expression parser only. */
export const UNREADABLE = Symbol('unreadable');

/** A place in a list of tokens. */
export class TokenCursor {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  previous(): Token | undefined {
    return this.#tokens[this.#at - 1];
  }

  ahead(count: number): readonly Token[] {
    return this.#tokens.slice(this.#at, this.#at + count);
  }

  next(): Token {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw UNREADABLE;
    return token;
  }

  take(mark: string): boolean {
    const token = this.peek();
    if (token?.type !== 'mark' || token.text !== mark) return false;
    this.#at++;
    return true;
  }

  takeName(name: string): boolean {
    const token = this.peek();
    if (token?.type !== 'name' || token.text !== name) return false;
    this.#at++;
    return true;
  }

  expect(mark: string): void {
    if (!this.take(mark)) throw UNREADABLE;
  }
}
