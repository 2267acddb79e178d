import { type ChildProcess, fork } from 'node:child_process';

// The same relative path from lib/data/*.ts and from dist/data/*.js: the package holds both folders.
const DECODER = new URL('../../lib/data/parquet-decoder.mjs', import.meta.url);

/** Rows of the whole file, from 0. */
export interface RowRange {
  columns: readonly string[];
  start: number;
  end: number;
}

type Reply = { rows: unknown[][]; left: number } | { problem: string; syscall?: string };

/** Decodes row groups in a process of its own, which a group that never ends, or takes all memory, cannot outlive. */
export class DecoderProcess {
  readonly #child: ChildProcess;
  #ended: string | null = null;

  /** `fd` is the open file; this process may close it, and the path may come to name another. */
  constructor(fd: number) {
    this.#child = fork(DECODER, [String(process.pid)], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc', fd],
      // Typed arrays, dates and 64-bit integers as they are.
      serialization: 'advanced',
      // What the host was started with is none of the decoder's business; nor is its environment.
      execArgv: [],
      env: {},
    });
    this.#child.once('exit', (status, signal) => (this.#ended ??= signal ?? `status ${status}`));
    this.#child.once('error', (error) => (this.#ended ??= error.message));
  }

  /** The cells of the rows, some at a time. `what` names them in an error; past `limitMs` the process is ended. */
  async *rows(what: string, range: RowRange, limitMs: number): AsyncGenerator<unknown[][]> {
    for (let ask: RowRange | 'more' = range; ; ask = 'more') {
      const reply = await this.#ask(what, ask, limitMs);
      if ('problem' in reply) throw Object.assign(new Error(reply.problem), { syscall: reply.syscall });
      yield reply.rows;
      if (reply.left === 0) return;
    }
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }

  #ask(what: string, ask: RowRange | 'more', limitMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        clearTimeout(timer);
        this.#child.off('message', onReply).off('exit', onEnd).off('error', onEnd);
        act();
      };
      const onReply = (reply: unknown) => settle(() => resolve(reply as Reply));
      const fail = (problem: string) => settle(() => reject(new Error(`${what} ${problem}`)));
      const onEnd = () => fail(`is damaged, or too large: its decoder ended with ${this.#ended}`);
      const timer = setTimeout(() => {
        fail(`is damaged: it was not decoded within ${(limitMs / 1000).toFixed(1)} s`);
        this.end();
      }, limitMs);
      this.#child.on('message', onReply).on('exit', onEnd).on('error', onEnd);
      if (this.#ended !== null) return onEnd();
      // An error to send is that of an ended process.
      this.#child.send(ask, () => {});
    });
  }
}
