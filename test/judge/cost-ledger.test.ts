import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { CostLedger, costOf, type Reservation } from '../../lib/judge/cost-ledger.ts';
import { seededRandom } from '../random.ts';

describe('costOf', () => {
  const prices = { inputUsdPerMillion: 3, outputUsdPerMillion: 15, cachedInputUsdPerMillion: 0.3 };

  it('prices input, cached input and output', () => {
    const usage = { promptTokens: 1_000_000, completionTokens: 200_000, cachedPromptTokens: 400_000 };
    expect(costOf(usage, prices)).toBeCloseTo(0.6 * 3 + 0.4 * 0.3 + 0.2 * 15, 12);
    const { cachedInputUsdPerMillion: _, ...plain } = prices;
    expect(costOf(usage, plain)).toBeCloseTo(3 + 3, 12);
  });

  it('does not trust more cached tokens than there were tokens', () => {
    expect(costOf({ promptTokens: 10, completionTokens: 0, cachedPromptTokens: 99 }, prices)).toBeCloseTo(
      3e-6,
      15,
    );
  });
});

describe('CostLedger', () => {
  it('waits for calls under way, and stops for good where even their end leaves no room', async () => {
    const ledger = new CostLedger({ maxUsd: 1 });
    const first = (await ledger.reserve(0.6))!;
    let second: Reservation | null | undefined;
    const pending = ledger.reserve(0.5).then((given) => {
      second = given;
    });
    await turn();
    expect(second).toBeUndefined();
    first.settle(0.1);
    await pending;
    expect(second).not.toBeNull();
    second!.settle(0.5);
    expect(ledger.spentUsd).toBeCloseTo(0.6, 12);
    expect(await ledger.reserve(0.41)).toBeNull();
    expect(ledger.stopped).toBe(true);
    expect(await ledger.reserve(0.01)).toBeNull();
  });

  it('turns away who waits when another call finds the cap reached', async () => {
    const ledger = new CostLedger({ maxUsd: 1 });
    const first = (await ledger.reserve(0.6))!;
    const waiting = ledger.reserve(0.5);
    await turn();
    expect(await ledger.reserve(1.5)).toBeNull();
    expect(await waiting).toBeNull();
    first.settle(0.2);
    expect([ledger.spentUsd, ledger.reservedUsd]).toEqual([0.2, 0]);
  });

  it('books the worst case where no bill came, and nothing where nothing was charged', async () => {
    const ledger = new CostLedger({ maxUsd: 10, spentUsd: 2 });
    expect((await ledger.reserve(3))!.settleUnknown()).toBe(3);
    (await ledger.reserve(4))!.release();
    expect([ledger.spentUsd, ledger.unknownUsd, ledger.reservedUsd]).toEqual([5, 3, 0]);
  });

  it('settles a call once, gives up with the signal, and has no cap unless told', async () => {
    const ledger = new CostLedger({ maxUsd: 1 });
    const held = (await ledger.reserve(1))!;
    const controller = new AbortController();
    const waiting = ledger.reserve(1, controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    held.release();
    expect(() => held.settle(1)).toThrowError(expect.objectContaining({ code: 'ERR_LAPIDARY_STATE' }));
    expect(await new CostLedger().reserve(1e9)).not.toBeNull();
    for (const bad of [{ maxUsd: -1 }, { maxUsd: Number.NaN }, { spentUsd: Number.POSITIVE_INFINITY }])
      expect(() => new CostLedger(bad)).toThrowError(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
      );
  });

  it.each([11, 12, 13, 14])(
    'never books more than the cap while bills stay within the worst case, seed %i',
    async (seed) => {
      const random = seededRandom(seed);
      const maxUsd = 5;
      const ledger = new CostLedger({ maxUsd });
      let refused = 0;
      const call = async () => {
        const worst = random.next();
        const reservation = await ledger.reserve(worst);
        if (reservation === null) return void refused++;
        for (let turns = random.int(0, 3); turns > 0; turns--) await turn();
        const kind = random.int(0, 5);
        if (kind === 0) reservation.release();
        else if (kind === 1) reservation.settleUnknown();
        else reservation.settle(worst * random.next());
        expect(ledger.spentUsd + ledger.reservedUsd).toBeLessThanOrEqual(maxUsd + 1e-9);
      };
      await Promise.all(Array.from({ length: 60 }, call));
      expect(ledger.spentUsd).toBeLessThanOrEqual(maxUsd + 1e-9);
      expect(refused).toBeGreaterThan(0);
      expect(ledger.reservedUsd).toBeCloseTo(0, 9);
    },
  );
});
