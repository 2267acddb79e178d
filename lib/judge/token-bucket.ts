import { LapidaryError } from '../errors.ts';
import { type Clock, systemClock } from './clock.ts';

const MINUTE_MS = 60_000;

/**
 * So many units a minute (requests, or tokens), refilled steadily and never above one minute's worth. Who comes first
 * is served first. An amount above one minute's worth waits for a full bucket and leaves it in debt.
 */
export class TokenBucket {
  readonly #perMinute: number;
  readonly #clock: Clock;
  #level: number;
  #filledAt: number;
  #tail: Promise<void> = Promise.resolve();
  #wake = new AbortController();

  constructor(perMinute: number, clock: Clock = systemClock) {
    if (!(perMinute > 0 && Number.isFinite(perMinute))) {
      const problem = `TokenBucket: perMinute: got ${perMinute}; expected a positive number`;
      throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'perMinute' });
    }
    this.#perMinute = perMinute;
    this.#clock = clock;
    this.#level = perMinute;
    this.#filledAt = clock.now();
  }

  /** Resolves when `amount` has been taken. Rejects with the signal's reason, having taken nothing. */
  take(amount: number, signal?: AbortSignal): Promise<void> {
    const turn = this.#tail.then(() => this.#takeNow(amount, signal));
    this.#tail = turn.catch(() => {});
    return turn;
  }

  /** Corrects an estimate by what was really used; `taken - used` flows back, or is taken in addition. */
  settle(taken: number, used: number): void {
    this.#fill();
    this.#level = Math.min(this.#perMinute, this.#level + taken - used);
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  async #takeNow(amount: number, signal: AbortSignal | undefined): Promise<void> {
    const needed = Math.min(amount, this.#perMinute);
    for (;;) {
      signal?.throwIfAborted();
      this.#fill();
      const missing = needed - this.#level;
      // A wait ends within a rounding error of the level it was computed for.
      if (missing <= 1e-6) break;
      await this.#sleepOrWake((missing / this.#perMinute) * MINUTE_MS, signal);
    }
    this.#level -= amount;
  }

  async #sleepOrWake(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
    const wake = this.#wake.signal;
    const either = signal === undefined ? wake : AbortSignal.any([signal, wake]);
    try {
      await this.#clock.sleep(Math.ceil(milliseconds), either);
    } catch (error) {
      if (!wake.aborted || signal?.aborted === true) throw error;
    }
  }

  #fill(): void {
    const now = this.#clock.now();
    const gained = (Math.max(0, now - this.#filledAt) / MINUTE_MS) * this.#perMinute;
    this.#level = Math.min(this.#perMinute, this.#level + gained);
    this.#filledAt = now;
  }
}
