import { LapidaryError } from '../errors.ts';

/** 'overload': 429, 529 or a timeout. 'other': a failure that says nothing about load. */
export type CallOutcome = 'success' | 'overload' | 'other';

interface Waiter {
  grant: () => void;
}

/**
 * Calls under way at once, between 1 and `max`: one more after a whole window of successes, half as many on overload
 * (additive increase, multiplicative decrease). Calls that started before the last halving do not halve again: one
 * burst of refusals is one message.
 */
export class AdaptiveConcurrency {
  readonly max: number;
  #limit: number;
  #running = 0;
  #successes = 0;
  #halvings = 0;
  readonly #waiting: Waiter[] = [];

  constructor(max: number) {
    if (!(Number.isSafeInteger(max) && max >= 1)) {
      const problem = `AdaptiveConcurrency: max: got ${max}; expected a positive integer`;
      throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'max' });
    }
    this.max = max;
    this.#limit = max;
  }

  get limit(): number {
    return this.#limit;
  }

  get running(): number {
    return this.#running;
  }

  /** Waits for a place, first come first served; the function given back must be called once, with the outcome. */
  async acquire(signal?: AbortSignal): Promise<(outcome: CallOutcome) => void> {
    signal?.throwIfAborted();
    if (this.#running < this.#limit && this.#waiting.length === 0) this.#running++;
    else await this.#wait(signal);
    const startedAt = this.#halvings;
    return (outcome) => this.#release(outcome, startedAt);
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal?.reason);
      };
      const waiter: Waiter = {
        grant: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.#waiting.push(waiter);
    });
  }

  #release(outcome: CallOutcome, startedAt: number): void {
    this.#running--;
    if (outcome === 'overload' && startedAt === this.#halvings) {
      this.#limit = Math.max(1, Math.floor(this.#limit / 2));
      this.#halvings++;
      this.#successes = 0;
    } else if (outcome === 'success' && ++this.#successes >= this.#limit) {
      this.#limit = Math.min(this.max, this.#limit + 1);
      this.#successes = 0;
    }
    while (this.#running < this.#limit && this.#waiting.length > 0) {
      this.#running++;
      this.#waiting.shift()!.grant();
    }
  }
}
