import { LapidaryError } from '../errors.ts';

/** US dollars per million tokens. */
export interface TokenPrices {
  inputUsdPerMillion: number;
  outputUsdPerMillion: number;
  /** For the part of the prompt that the endpoint took from its cache. Default: the input price. */
  cachedInputUsdPerMillion?: number;
}

export interface PricedUsage {
  promptTokens: number;
  completionTokens: number;
  cachedPromptTokens?: number;
}

export function costOf(usage: PricedUsage, prices: TokenPrices): number {
  const cached = Math.min(usage.cachedPromptTokens ?? 0, usage.promptTokens);
  const cachedPrice = prices.cachedInputUsdPerMillion ?? prices.inputUsdPerMillion;
  const input = (usage.promptTokens - cached) * prices.inputUsdPerMillion + cached * cachedPrice;
  return (input + usage.completionTokens * prices.outputUsdPerMillion) / 1e6;
}

/** Money set aside for one call; exactly one of its methods must be called. */
export interface Reservation {
  /** The call's cost is known. */
  settle(usd: number): void;
  /** It may have been charged, but nobody said how much: the worst case is booked. Gives that amount. */
  settleUnknown(): number;
  /** Nothing was charged. */
  release(): void;
}

export interface CostLedgerOptions {
  /** Cap in US dollars on all that this ledger books. Default: none. */
  maxUsd?: number;
  /** Spent before, by runs that this one goes on from (JudgeJournal.spentUsd). Default 0. */
  spentUsd?: number;
}

/**
 * The money of a run. With a cap, each call's worst case is set aside before it starts, so calls under way can never
 * overspend together. Where the cap has no room even once they are settled, the ledger stops for good.
 */
export class CostLedger {
  readonly maxUsd: number | null;
  #spent: number;
  #unknown = 0;
  #reserved = 0;
  #stopped = false;
  #waiting: (() => void)[] = [];

  constructor(options: CostLedgerOptions = {}) {
    const { maxUsd, spentUsd = 0 } = options;
    for (const [argument, value] of Object.entries({ maxUsd, spentUsd })) {
      if (value === undefined || (Number.isFinite(value) && value >= 0)) continue;
      const problem = `CostLedger: ${argument}: got ${value}; expected a number of at least 0`;
      throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument });
    }
    this.maxUsd = maxUsd ?? null;
    this.#spent = spentUsd;
  }

  /** Known and assumed costs together, those of earlier runs included. */
  get spentUsd(): number {
    return this.#spent + this.#unknown;
  }

  /** The part of spentUsd that is a worst case, for want of a bill. */
  get unknownUsd(): number {
    return this.#unknown;
  }

  get reservedUsd(): number {
    return this.#reserved;
  }

  /** Whether the cap has turned a call away; from then on it turns away all. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Sets `worstUsd` aside, waiting for calls under way to be settled if need be; null where the cap forbids it. */
  async reserve(worstUsd: number, signal?: AbortSignal): Promise<Reservation | null> {
    for (;;) {
      signal?.throwIfAborted();
      if (this.maxUsd === null) break;
      if (this.spentUsd + worstUsd > this.maxUsd) this.#stop();
      if (this.#stopped) return null;
      if (this.spentUsd + this.#reserved + worstUsd <= this.maxUsd) break;
      await this.#settlement(signal);
    }
    this.#reserved += worstUsd;
    return this.#reservation(worstUsd);
  }

  #reservation(worstUsd: number): Reservation {
    let open = true;
    const close = (book: () => void) => {
      if (!open) throw new LapidaryError('ERR_LAPIDARY_STATE', 'CostLedger: the call is settled already');
      open = false;
      this.#reserved -= worstUsd;
      book();
      this.#wakeAll();
    };
    return {
      settle: (usd) => close(() => (this.#spent += usd)),
      settleUnknown: () => {
        close(() => (this.#unknown += worstUsd));
        return worstUsd;
      },
      release: () => close(() => {}),
    };
  }

  #stop(): void {
    this.#stopped = true;
    this.#wakeAll();
  }

  #wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #settlement(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      signal?.addEventListener('abort', wake, { once: true });
      this.#waiting.push(wake);
    });
  }
}
