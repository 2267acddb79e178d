import type { SymbolicResult } from './comparison.ts';
import { differentEquations, readEquation, scalingIdentity } from './equation-test.ts';
import { type Expression, symbolsOf } from './expression.ts';
import { parseExpression } from './expression-parser.ts';
import { testIdentity } from './identity-test.ts';
import { toMathJson } from './math-json.ts';
import { normalizeText } from './normalize.ts';
import { SymbolicThread, type SymbolicThreadOptions } from './symbolic-thread.ts';

/** Decides whether two answers are the same mathematics: two expressions, or two equations. */
export interface SymbolicEngine {
  /**
   * 'equal' and 'different' only where that is certain; 'timeout' and 'memory' where the work was stopped. Rejects
   * where the engine itself cannot work, never because of a question.
   */
  equal(a: string, b: string): Promise<SymbolicResult>;
}

const MAX_REMEMBERED = 20_000;

/**
 * The engine on @cortex-js/compute-engine, with a second opinion. Two expressions are 'different' where they have
 * different values at a random rational point. They are 'equal' where exact rational arithmetic agrees at all
 * points tried, or where more than 100 digits do and the engine proves the identity as well. The engine alone is not
 * believed: it works within a tolerance and takes 1/2004! for 1/2006!.
 */
export class ComputeEngineSymbolic implements SymbolicEngine, AsyncDisposable {
  readonly #thread: SymbolicThread;
  readonly #remembered = new Map<string, Promise<SymbolicResult>>();

  constructor(options: SymbolicThreadOptions = {}) {
    this.#thread = new SymbolicThread(options);
  }

  equal(a: string, b: string): Promise<SymbolicResult> {
    const key = JSON.stringify([a, b]);
    let answer = this.#remembered.get(key);
    if (answer === undefined) {
      answer = this.#decide(normalizeText(a), normalizeText(b));
      if (this.#remembered.size >= MAX_REMEMBERED) {
        this.#remembered.delete(this.#remembered.keys().next().value!);
      }
      this.#remembered.set(key, answer);
      // A failure of the engine is not an answer to remember.
      answer.catch(() => this.#remembered.delete(key));
    }
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]();
  }

  async #decide(a: string, b: string): Promise<SymbolicResult> {
    const [left, right] = [readEquation(a), readEquation(b)];
    if (left !== null && right !== null) return this.#decideEquations(left, right);
    const [x, y] = [parseExpression(a), parseExpression(b)];
    return x === null || y === null ? 'unknown' : this.#decideIdentity(x, y);
  }

  async #decideIdentity(a: Expression, b: Expression): Promise<SymbolicResult> {
    const result = testIdentity(a, b);
    if (result === 'exact') return 'equal';
    if (result !== 'digits') return result;
    const names = [...symbolsOf(b, symbolsOf(a))];
    const proof = await this.#thread.prove(toMathJson(a, names), toMathJson(b, names));
    return proof === 'proved' ? 'equal' : proof === 'open' ? 'unknown' : proof;
  }

  /** Equations are equal where one is a multiple of the other; that they are not says nothing by itself. */
  async #decideEquations(left: Expression, right: Expression): Promise<SymbolicResult> {
    const identity = scalingIdentity(left, right);
    if (identity === null) return 'unknown';
    const result = await this.#decideIdentity(...identity);
    if (result !== 'different') return result;
    return differentEquations(left, right) ? 'different' : 'unknown';
  }
}
