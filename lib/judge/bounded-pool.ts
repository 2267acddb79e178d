import { setMaxListeners } from 'node:events';

/**
 * Runs `work` over all items, at most `concurrency` at once, starting them in order. The first failure, or the
 * caller's abort, starts nothing more, waits for what is under way and rejects. The caller's abort also aborts the
 * signal handed to `work`; so does a failure, unless `onFailure` is 'drain': then what is under way ends in peace.
 */
export async function forEachBounded<T>(
  items: readonly T[],
  options: { concurrency: number; signal?: AbortSignal; onFailure?: 'abort' | 'drain' },
  work: (item: T, at: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { concurrency, signal, onFailure = 'abort' } = options;
  signal?.throwIfAborted();
  const stop = new AbortController();
  // Every call under way may listen; Node would take more than ten for a leak and say so.
  setMaxListeners(0, stop.signal);
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  let next = 0;
  let failure: { error: unknown } | null = null;
  const lane = async () => {
    while (next < items.length && failure === null && !stop.signal.aborted) {
      const at = next++;
      try {
        await work(items[at]!, at, stop.signal);
      } catch (error) {
        failure ??= { error };
        if (onFailure === 'abort') stop.abort(error);
      }
    }
  };
  const lanes = Math.max(1, Math.min(Math.floor(concurrency) || 1, items.length));
  await Promise.all(Array.from({ length: lanes }, lane));
  signal?.removeEventListener('abort', onAbort);
  // The first abort's reason: the failure that came first, or the caller's own.
  stop.signal.throwIfAborted();
  if (failure !== null) throw (failure as { error: unknown }).error;
}
