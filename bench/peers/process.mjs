// A provider of operations (the library itself or a peer) in a process of its own, asked over its standard streams.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export class Provider {
  #child;
  #lines;
  #errors = '';
  /** {operation: [variant]} of the dataset that is loaded. */
  operations = {};
  /** Its process is gone (out of memory, say): it can be asked nothing more. */
  ended = false;
  /** By case: the variants worth trying at a further number of threads. */
  kept = new Map();

  /** `name` is what tables call it; the rest starts its process. */
  constructor(name, command, args, env = {}) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } });
    this.#child.on('error', (error) => {
      this.#errors += error.message;
    });
    this.#child.stdin.on('error', () => {}); // a dead child is reported where its answer is missed
    this.#child.stderr.on('data', (text) => {
      this.#errors = (this.#errors + text).slice(-2000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** @throws Error with what the child said last, if it failed or has ended. */
  async ask(command, rest = {}) {
    this.#child.stdin.write(`${JSON.stringify({ command, ...rest })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) this.ended = true;
    if (done) throw new Error(`${this.name} ended: ${this.#errors.trim().split('\n').at(-1)}`);
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(`${this.name}: ${answer.error}`);
    return answer;
  }

  close() {
    this.#child.stdin.end();
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) resolve();
      else this.#child.once('exit', resolve);
    });
  }
}
