import { setMaxListeners } from 'node:events';
import { AdaptiveConcurrency, type CallOutcome } from './adaptive-concurrency.ts';
import { type Clock, systemClock } from './clock.ts';
import { TokenBucket } from './token-bucket.ts';

export interface EndpointLimits {
  /** Calls under way at once, at most; overload lowers it for a while. Default 64. */
  maxConcurrency?: number;
  /** Default: no limit. */
  requestsPerMinute?: number;
  /** Prompt and reply together, as providers count. Default: no limit. */
  tokensPerMinute?: number;
}

export interface Permit {
  /** Ends the call; `usedTokens` corrects what was estimated. */
  settle(outcome: CallOutcome, usedTokens: number): void;
}

/**
 * What every call to one endpoint goes through: a place among those under way, the two buckets, and the pause that a
 * Retry-After imposes on all. Judges that share an endpoint share its limiter.
 */
export class EndpointLimiter {
  readonly concurrency: AdaptiveConcurrency;
  readonly #clock: Clock;
  readonly #requests: TokenBucket | null;
  readonly #tokens: TokenBucket | null;
  readonly #closed = new AbortController();
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(limits: EndpointLimits = {}, clock: Clock = systemClock) {
    const { maxConcurrency = 64, requestsPerMinute, tokensPerMinute } = limits;
    // Every caller that waits listens.
    setMaxListeners(0, this.#closed.signal);
    this.#clock = clock;
    this.concurrency = new AdaptiveConcurrency(maxConcurrency);
    this.#requests = requestsPerMinute === undefined ? null : new TokenBucket(requestsPerMinute, clock);
    this.#tokens = tokensPerMinute === undefined ? null : new TokenBucket(tokensPerMinute, clock);
  }

  /** Waits until a call of about `estimatedTokens` may start. Rejects with the signal's reason, or that of close(). */
  async admit(estimatedTokens: number, signal?: AbortSignal): Promise<Permit> {
    const closed = this.#closed.signal;
    const either = signal === undefined ? closed : AbortSignal.any([signal, closed]);
    const release = await this.concurrency.acquire(either);
    try {
      await this.#requests?.take(1, either);
      await this.#tokens?.take(estimatedTokens, either);
      await this.#waitOutPause(either);
    } catch (error) {
      release('other');
      throw error;
    }
    return {
      settle: (outcome, usedTokens) => {
        this.#tokens?.settle(estimatedTokens, usedTokens);
        release(outcome);
      },
    };
  }

  /** No call starts for so long, whoever it was that the endpoint asked to wait. */
  pause(milliseconds: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#clock.now() + milliseconds);
  }

  /** Nothing is admitted any more: the account is empty. Calls under way are left to finish. */
  close(reason: Error): void {
    this.#closed.abort(reason);
  }

  async #waitOutPause(signal: AbortSignal): Promise<void> {
    // Again only where the pause was made longer meanwhile: timers may fire a moment early.
    for (let seen = Number.NEGATIVE_INFINITY; this.#pausedUntil > seen; ) {
      seen = this.#pausedUntil;
      const wait = seen - this.#clock.now();
      if (wait > 0) await this.#clock.sleep(wait, signal);
    }
    signal.throwIfAborted();
  }
}
