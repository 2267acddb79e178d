/**
 * Runs `work` over all items, at most `concurrency` at once, starting them in order. The first failure, or the
 * caller's abort, aborts the signal handed to `work`, starts nothing more, waits for what is under way and rejects.
 */
export async function forEachBounded<T>(
  items: readonly T[],
  options: { concurrency: number; signal?: AbortSignal },
  work: (item: T, at: number, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { concurrency, signal } = options;
  signal?.throwIfAborted();
  const stop = new AbortController();
  const onAbort = () => stop.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  let next = 0;
  const lane = async () => {
    while (next < items.length && !stop.signal.aborted) {
      const at = next++;
      try {
        await work(items[at]!, at, stop.signal);
      } catch (error) {
        stop.abort(error);
      }
    }
  };
  const lanes = Math.max(1, Math.min(Math.floor(concurrency) || 1, items.length));
  await Promise.all(Array.from({ length: lanes }, lane));
  signal?.removeEventListener('abort', onAbort);
  // The first abort's reason: the failure that came first, or the caller's own.
  stop.signal.throwIfAborted();
}
