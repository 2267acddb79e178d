import { CostLedger } from '../judge/cost-ledger.ts';
import { EndpointLimiter, type EndpointLimits } from '../judge/endpoint-limiter.ts';
import { JudgeJournal } from '../judge/judge-journal.ts';
import type { RunConfig } from './config.ts';
import { isPaid, type PaidConfig } from './judge-config.ts';

/** What the paid judges of a run share: the journal of answers, the money, and a limiter per endpoint. */
export class Judging {
  readonly #path: string;
  readonly #maxUsd: number | undefined;
  readonly #judges: PaidConfig[];
  readonly #limiters = new Map<string, EndpointLimiter>();
  #journal: Promise<JudgeJournal> | null = null;
  #ledger: CostLedger;

  constructor(path: string, config: RunConfig) {
    this.#path = path;
    this.#maxUsd = config.judge_max_usd;
    this.#judges = config.judges.filter(isPaid);
    this.#ledger = new CostLedger(this.#maxUsd === undefined ? {} : { maxUsd: this.#maxUsd });
  }

  get ledger(): CostLedger {
    return this.#ledger;
  }

  /** Opened when the first paid judge needs it; what earlier runs spent counts against the cap. */
  journal(): Promise<JudgeJournal> {
    this.#journal ??= JudgeJournal.open(this.#path).then((journal) => {
      const cap = this.#maxUsd === undefined ? {} : { maxUsd: this.#maxUsd };
      this.#ledger = new CostLedger({ ...cap, spentUsd: journal.spentUsd });
      return journal;
    });
    return this.#journal;
  }

  /** Of an endpoint that several judges use, the lowest of the limits that they name. */
  limiter({ endpoint }: PaidConfig): EndpointLimiter {
    const known = this.#limiters.get(endpoint);
    if (known !== undefined) return known;
    const sharing = this.#judges.filter((judge) => judge.endpoint === endpoint);
    const lowest = (of: (judge: PaidConfig) => number | undefined) => {
      const named = sharing.map(of).filter((limit) => limit !== undefined);
      return named.length === 0 ? undefined : Math.min(...named);
    };
    const limits: [keyof EndpointLimits, number | undefined][] = [
      ['maxConcurrency', lowest((judge) => judge.max_concurrency)],
      ['requestsPerMinute', lowest((judge) => judge.requests_per_minute)],
      ['tokensPerMinute', lowest((judge) => judge.tokens_per_minute)],
    ];
    const limiter = new EndpointLimiter(
      Object.fromEntries(limits.filter(([, limit]) => limit !== undefined)),
    );
    this.#limiters.set(endpoint, limiter);
    return limiter;
  }

  async close(): Promise<void> {
    await (await this.#journal?.catch(() => null))?.close();
  }
}
