import { sleep } from './retry-delay.ts';

/** Time as limits and pauses see it; tests put their own in its place. */
export interface Clock {
  /** Milliseconds since 1970; never runs backwards. */
  now: () => number;
  /** Ends early, rejecting with signal.reason, when the signal aborts. */
  sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  sleep,
};
