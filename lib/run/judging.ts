import { CostLedger } from '../judge/cost-ledger.ts';
import { EndpointLimiter } from '../judge/endpoint-limiter.ts';
import { JudgeJournal } from '../judge/judge-journal.ts';
import type { RunConfig } from './config.ts';

type LlmConfig = Extract<RunConfig['judges'][number], { kind: 'llm' }>;

/** What the paid judges of a run share: the journal of answers, the money, and a limiter per endpoint. */
export class Judging {
  readonly #path: string;
  readonly #maxUsd: number | undefined;
  readonly #limiters = new Map<string, EndpointLimiter>();
  #journal: Promise<JudgeJournal> | null = null;
  #ledger: CostLedger;

  constructor(path: string, config: RunConfig) {
    this.#path = path;
    this.#maxUsd = config.judge_max_usd;
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

  limiter({ endpoint, max_concurrency, requests_per_minute, tokens_per_minute }: LlmConfig): EndpointLimiter {
    const known = this.#limiters.get(endpoint);
    if (known !== undefined) return known;
    const limiter = new EndpointLimiter({
      ...(max_concurrency === undefined ? {} : { maxConcurrency: max_concurrency }),
      ...(requests_per_minute === undefined ? {} : { requestsPerMinute: requests_per_minute }),
      ...(tokens_per_minute === undefined ? {} : { tokensPerMinute: tokens_per_minute }),
    });
    this.#limiters.set(endpoint, limiter);
    return limiter;
  }

  async close(): Promise<void> {
    await (await this.#journal?.catch(() => null))?.close();
  }
}
