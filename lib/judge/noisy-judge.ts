import { LapidaryError } from '../errors.ts';
import type { Judge, JudgeRequest, JudgeResponse, VerdictScope } from './judge.ts';
import { applyPropagation } from './propagation.ts';
import { stepUniforms } from './seeded-step.ts';

export interface NoisyJudgeOptions {
  /** The judge whose verdicts are flipped. */
  judge: Judge;
  /** Chance in [0, 1] that a step's right becomes wrong, or the other way round. Abstentions stay. */
  rate: number;
  seed?: number;
  /**
   * 'verdict' flips the inner judge's own verdicts; a flip to wrong then spreads by propagation. 'label' propagates
   * first and flips what comes out, so that errors stay where they are made; such verdicts are of scope 'prefix'.
   * Default 'verdict'.
   */
  flips?: 'verdict' | 'label';
}

/** Stands in for an imperfect judge: another judge's verdicts, flipped at a stated rate by a seeded hash. */
export class NoisyJudge implements Judge {
  readonly id: string;
  readonly scope: VerdictScope;
  readonly judgeBatch?: NonNullable<Judge['judgeBatch']>;
  readonly batchSize?: number;
  readonly #options: Required<NoisyJudgeOptions>;

  constructor(options: NoisyJudgeOptions) {
    const { judge, rate, seed = 0, flips = 'verdict' } = options;
    if (!(rate >= 0 && rate <= 1)) throw badOption('rate', rate, 'a number in [0, 1]');
    if (!Number.isSafeInteger(seed)) throw badOption('seed', seed, 'a whole number');
    if (flips !== 'verdict' && flips !== 'label') throw badOption('flips', flips, 'verdict or label');
    this.#options = { judge, rate, seed, flips };
    this.scope = flips === 'label' ? 'prefix' : (judge.scope ?? 'step');
    this.id = `noisy-v1(rate=${rate},seed=${seed},flips=${flips}):${judge.id}`;
    if (judge.judgeBatch !== undefined) {
      this.judgeBatch = async (requests, more) => {
        const responses = await judge.judgeBatch!(
          requests.map((request) => this.#inner(request)),
          more,
        );
        return responses.map((response, i) => this.#flip(requests[i]!, response));
      };
      if (judge.batchSize !== undefined) this.batchSize = judge.batchSize;
    }
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}): Promise<JudgeResponse> {
    return this.#flip(request, await this.#options.judge.judge(this.#inner(request), options));
  }

  /** Propagation needs every step's verdict. */
  #inner(request: JudgeRequest): JudgeRequest {
    if (!this.#propagates() || request.asked === undefined) return request;
    const { asked, ...all } = request;
    return all;
  }

  #propagates(): boolean {
    return this.#options.flips === 'label' && this.#options.judge.scope !== 'prefix';
  }

  #flip(request: JudgeRequest, response: JudgeResponse): JudgeResponse {
    const draws = stepUniforms('noise', this.#options.seed, request);
    const labels = applyPropagation(response.judgements, this.#propagates() ? 'propagate' : 'local');
    const asked = new Set(request.asked ?? request.steps.keys());
    const judgements = response.judgements.map((judgement, k) => {
      if (!asked.has(k)) return { ...judgement, label: 'abstain' as const, reason: 'not-asked' };
      const label = labels[k]!;
      if (label === 'abstain' || draws[k]! >= this.#options.rate) return { ...judgement, label };
      const flipped = label === 'right' ? ('wrong' as const) : ('right' as const);
      return { label: flipped, recovers: false, score: null, reason: `flipped from ${label}` };
    });
    return { ...response, judgements };
  }
}

function badOption(option: string, given: unknown, expected: string): LapidaryError {
  const problem = `NoisyJudge: ${option}: got ${String(given)}; expected ${expected}`;
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: option });
}
