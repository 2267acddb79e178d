import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../lib/judge/clock.ts';

interface Sleeper {
  until: number;
  wake: () => void;
}

/** Time that stands still until a test moves it. */
export class FakeClock implements Clock {
  time = 1_700_000_000_000;
  readonly #start = this.time;
  #sleepers: Sleeper[] = [];

  now = (): number => this.time;

  /** Milliseconds since the clock was made. */
  get elapsed(): number {
    return this.time - this.#start;
  }

  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep = (milliseconds: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const leave = () => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(signal?.reason);
      };
      const wake = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const sleeper: Sleeper = { until: this.time + milliseconds, wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', leave, { once: true });
    });

  /** Moves on by so much, waking sleepers in order and letting each run on before the next. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    await turn();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.until - b.until)[0];
      if (next === undefined || next.until > end) break;
      this.time = Math.max(this.time, next.until);
      this.#sleepers = this.#sleepers.filter((other) => other !== next);
      next.wake();
      await turn();
    }
    this.time = end;
  }

  /** Jumps to each wake-up as soon as nothing else moves, until `work` is done. */
  async runUntil<T>(work: Promise<T>, idle: () => boolean): Promise<T> {
    let done = false;
    const end = () => {
      done = true;
    };
    work.then(end, end);
    while (!done) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      const next = Math.min(...this.#sleepers.map(({ until }) => until));
      if (!done && idle() && Number.isFinite(next)) await this.advance(Math.max(0, next - this.time));
    }
    return work;
  }
}
