import { Worker } from 'node:worker_threads';
import { LapidaryError } from '../errors.ts';
import type { MathJson } from './math-json.ts';

export interface SymbolicThreadOptions {
  /** Module that exports `identical(a, b)`; default the one on @cortex-js/compute-engine. */
  solver?: URL;
  /** Milliseconds for one question, from the moment the solver is loaded. */
  timeoutMs?: number;
  /** Milliseconds to load the solver. */
  startMs?: number;
  /** Size of the thread's JavaScript heap in MiB. */
  heapMb?: number;
}

/** proved: equal for every value of the variables. open: not proved. timeout, memory: the thread was ended. */
export type ProofResult = 'proved' | 'open' | 'timeout' | 'memory';

// The same relative path from lib/verify/*.ts and from dist/verify/*.js: the package holds both folders.
const WORKER = new URL('../../lib/verify/symbolic-worker.mjs', import.meta.url);
const SOLVER = new URL('../../lib/verify/compute-engine-solver.mjs', import.meta.url);

interface Question {
  a: MathJson;
  b: MathJson;
  resolve: (result: ProofResult) => void;
  reject: (error: Error) => void;
}

interface Reply {
  id?: number;
  ready?: boolean;
  identical?: boolean;
  error?: string;
}

/**
 * One worker thread that answers questions in turn. A question that takes too long or too much memory ends the
 * thread (terminate, not a flag that the solver would have to look at); the next question starts another. An idle
 * thread does not keep the process alive.
 */
export class SymbolicThread implements AsyncDisposable {
  readonly #options: Required<SymbolicThreadOptions>;
  readonly #queue: Question[] = [];
  #worker: Worker | null = null;
  #ready = false;
  #current: { id: number; question: Question } | null = null;
  #timer: NodeJS.Timeout | undefined;
  #nextId = 0;
  #disposed = false;

  constructor(options: SymbolicThreadOptions = {}) {
    this.#options = { solver: SOLVER, timeoutMs: 2000, startMs: 60_000, heapMb: 256, ...options };
    for (const name of ['timeoutMs', 'startMs', 'heapMb'] as const) {
      const value = this.#options[name];
      if (Number.isFinite(value) && value > 0) continue;
      throw new LapidaryError(
        'ERR_LAPIDARY_ARGUMENT',
        `${name}: given ${value}, expected a positive number`,
        {
          argument: name,
        },
      );
    }
  }

  prove(a: MathJson, b: MathJson): Promise<ProofResult> {
    return new Promise((resolve, reject) => {
      if (this.#disposed) {
        reject(new LapidaryError('ERR_LAPIDARY_STATE', 'the symbolic engine is disposed'));
        return;
      }
      this.#queue.push({ a, b, resolve, reject });
      this.#next();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const waiting = [...(this.#current ? [this.#current.question] : []), ...this.#queue.splice(0)];
    this.#current = null;
    for (const { reject } of waiting) {
      reject(new LapidaryError('ERR_LAPIDARY_STATE', 'the symbolic engine was disposed before it answered'));
    }
    await this.#end();
  }

  #next(): void {
    if (this.#current !== null) return;
    const question = this.#queue.shift();
    if (question === undefined) {
      this.#worker?.unref();
      return;
    }
    this.#current = { id: this.#nextId++, question };
    this.#worker ??= this.#start();
    this.#worker.ref();
    if (this.#ready) this.#ask();
    else this.#limit(this.#options.startMs);
  }

  #ask(): void {
    const { id, question } = this.#current!;
    this.#worker!.postMessage({ id, a: question.a, b: question.b });
    this.#limit(this.#options.timeoutMs);
  }

  #limit(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#ready) this.#settle('timeout');
      else this.#fail(`not loaded after ${ms} ms`);
    }, ms);
  }

  #start(): Worker {
    this.#ready = false;
    const worker = new Worker(WORKER, {
      workerData: { solver: this.#options.solver.href },
      resourceLimits: { maxOldGenerationSizeMb: this.#options.heapMb },
      // What the host was started with (--import, loaders) is none of the solver's business; nor is its environment.
      execArgv: [],
      env: {},
    });
    const own = (handle: (value: never) => void) => (value: unknown) => {
      if (worker === this.#worker) handle(value as never);
    };
    worker.on(
      'message',
      own((reply: Reply) => this.#receive(reply)),
    );
    worker.on(
      'error',
      own((error: NodeJS.ErrnoException) => this.#broken(error)),
    );
    worker.on(
      'exit',
      own((status: number) => this.#broken(new Error(`it ended with status ${status}`))),
    );
    return worker;
  }

  #receive(reply: Reply): void {
    if (reply.ready === false) this.#fail(reply.error ?? 'no reason given');
    else if (reply.ready === true) {
      this.#ready = true;
      if (this.#current !== null) this.#ask();
    } else if (reply.id === this.#current?.id) {
      // A solver that throws has proved nothing.
      this.#answer(reply.identical === true ? 'proved' : 'open');
    }
  }

  #answer(result: ProofResult): void {
    clearTimeout(this.#timer);
    const current = this.#current;
    this.#current = null;
    current?.question.resolve(result);
    this.#next();
  }

  /** Ends the thread before the answer, so that the next question finds a new one. */
  #settle(result: ProofResult): void {
    void this.#end();
    this.#answer(result);
  }

  #broken(error: NodeJS.ErrnoException): void {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY' && this.#ready) this.#settle('memory');
    else if (this.#ready) this.#settle('open');
    else this.#fail(error.message);
  }

  /** The solver cannot be loaded: every question would fail, and none of them must look undecided. */
  #fail(reason: string): void {
    clearTimeout(this.#timer);
    void this.#end();
    const waiting = [...(this.#current ? [this.#current.question] : []), ...this.#queue.splice(0)];
    this.#current = null;
    const error = new LapidaryError('ERR_LAPIDARY_STATE', `the symbolic engine cannot be loaded: ${reason}`);
    for (const { reject } of waiting) reject(error);
  }

  async #end(): Promise<void> {
    clearTimeout(this.#timer);
    const worker = this.#worker;
    this.#worker = null;
    this.#ready = false;
    await worker?.terminate();
  }
}
