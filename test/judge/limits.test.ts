import { describe, expect, it } from 'vitest';
import { AdaptiveConcurrency } from '../../lib/judge/adaptive-concurrency.ts';
import { EndpointLimiter } from '../../lib/judge/endpoint-limiter.ts';
import { TokenBucket } from '../../lib/judge/token-bucket.ts';
import { seededRandom } from '../random.ts';
import { FakeClock } from './fake-clock.ts';

describe('TokenBucket', () => {
  it('lets a minute’s worth through at once and the rest at its pace, in order', async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    const passed: [string, number][] = [];
    const take = (name: string, amount: number) =>
      bucket.take(amount).then(() => void passed.push([name, clock.elapsed]));
    const all = [take('a', 50), take('b', 20), take('c', 5), take('d', 5)];
    await clock.advance(60_000);
    await Promise.all(all);
    expect(passed).toEqual([
      ['a', 0],
      ['b', 10_000],
      ['c', 15_000],
      ['d', 20_000],
    ]);
  });

  it('wakes who waits when an estimate turns out too high, and lets an underestimate be paid later', async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    await bucket.take(60);
    let at = -1;
    const waiting = bucket.take(30).then(() => {
      at = clock.elapsed;
    });
    await clock.advance(1000);
    expect(at).toBe(-1);
    bucket.settle(60, 10);
    await waiting;
    expect(at).toBe(1000);
    bucket.settle(30, 51); // level 0
    const last = bucket.take(30).then(() => clock.elapsed);
    await clock.advance(60_000);
    expect(await last).toBe(31_000);
  });

  it('serves an amount above its size from a full bucket, which is then in debt', async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    await bucket.take(120);
    const next = bucket.take(1).then(() => clock.elapsed);
    await clock.advance(120_000);
    expect(await next).toBe(61_000);
  });

  it('takes nothing for a caller who gave up', async () => {
    const clock = new FakeClock();
    const bucket = new TokenBucket(60, clock);
    await bucket.take(60);
    const controller = new AbortController();
    const abandoned = bucket.take(30, controller.signal);
    const next = bucket.take(10).then(() => clock.elapsed);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(abandoned).rejects.toBe(reason);
    await clock.advance(20_000);
    expect(await next).toBe(10_000);
  });

  it.each([1, 2, 3, 4, 5])('never lets more through than size + time, seed %i', async (seed) => {
    const random = seededRandom(seed);
    const clock = new FakeClock();
    const size = random.int(10, 100);
    const bucket = new TokenBucket(size, clock);
    const passed: { amount: number; at: number }[] = [];
    const takes = Array.from({ length: 30 }, async () => {
      const amount = random.int(1, size);
      await bucket.take(amount);
      passed.push({ amount, at: clock.elapsed });
    });
    await clock.advance(60 * 60_000);
    await Promise.all(takes);
    for (const { at: start } of passed) {
      for (const { at: end } of passed.filter(({ at }) => at >= start)) {
        const within = passed.filter(({ at }) => at >= start && at <= end);
        const amount = within.reduce((sum, one) => sum + one.amount, 0);
        expect(amount).toBeLessThanOrEqual(size + ((end - start) / 60_000) * size + 0.01);
      }
    }
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a rate of %d', (rate) => {
    expect(() => new TokenBucket(rate)).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
    );
  });
});

describe('AdaptiveConcurrency', () => {
  it('halves once for a burst, and gains one per window of successes', async () => {
    const gate = new AdaptiveConcurrency(8);
    const burst = await Promise.all(Array.from({ length: 8 }, () => gate.acquire()));
    for (const release of burst) release('overload');
    expect(gate.limit).toBe(4);
    (await gate.acquire())('overload');
    (await gate.acquire())('overload');
    (await gate.acquire())('overload');
    expect(gate.limit).toBe(1);
    const limits: number[] = [];
    for (let i = 0; i < 40; i++) {
      (await gate.acquire())('success');
      limits.push(gate.limit);
    }
    // 1 success at limit 1, 2 at 2, 3 at 3, …
    expect(limits.slice(0, 6)).toEqual([2, 2, 3, 3, 3, 4]);
    expect(limits.at(-1)).toBe(8);
    (await gate.acquire())('other');
    expect(gate.limit).toBe(8);
  });

  it('holds back what is above the limit, first come first served, and forgets who gave up', async () => {
    const gate = new AdaptiveConcurrency(2);
    const [first, second] = [await gate.acquire(), await gate.acquire()];
    const order: string[] = [];
    const controller = new AbortController();
    const waiting = ['a', 'b', 'c'].map(async (name) => {
      const release = await gate.acquire(name === 'b' ? controller.signal : undefined);
      order.push(name);
      return release;
    });
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(waiting[1]).rejects.toBe(reason);
    expect(order).toEqual([]);
    first('overload'); // limit 1, one still running
    await Promise.resolve();
    expect(order).toEqual([]);
    second('other');
    const a = await waiting[0]!;
    expect([order, gate.running]).toEqual([['a'], 1]);
    a('other');
    (await waiting[2]!)('other');
    expect(gate.running).toBe(0);
  });

  it('refuses a size below one', () => {
    expect(() => new AdaptiveConcurrency(0)).toThrowError(
      expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'max' }),
    );
  });
});

describe('EndpointLimiter', () => {
  it('holds everyone back for as long as the endpoint asks, the longer of two', async () => {
    const clock = new FakeClock();
    const limiter = new EndpointLimiter({}, clock);
    limiter.pause(3000);
    const admitted = [limiter.admit(1), limiter.admit(1)].map((permit) => permit.then(() => clock.elapsed));
    await clock.advance(1000);
    limiter.pause(5000);
    limiter.pause(100);
    await clock.advance(10_000);
    expect(await Promise.all(admitted)).toEqual([6000, 6000]);
  });

  it('settles estimated tokens by used ones', async () => {
    const clock = new FakeClock();
    const limiter = new EndpointLimiter({ tokensPerMinute: 6000, requestsPerMinute: 2 }, clock);
    const first = await limiter.admit(6000);
    first.settle('success', 100);
    (await limiter.admit(5900)).settle('success', 5900);
    expect(clock.elapsed).toBe(0);
    const third = limiter.admit(1).then(() => clock.elapsed);
    await clock.advance(60_000);
    expect(await third).toBe(30_000); // the third request of two a minute
  });

  it('turns everyone away once closed, and those who wait', async () => {
    const clock = new FakeClock();
    const limiter = new EndpointLimiter({ maxConcurrency: 2 }, clock);
    const held = await limiter.admit(1);
    limiter.pause(1000);
    const waiting = limiter.admit(1);
    const queued = limiter.admit(1);
    const reason = new Error('no money');
    const refused = Promise.all(
      [waiting, queued, limiter.admit(1)].map((one) => one.catch((error) => error)),
    );
    limiter.close(reason);
    expect(await refused).toEqual([reason, reason, reason]);
    held.settle('success', 1);
    expect(limiter.concurrency.running).toBe(0);
  });
});
