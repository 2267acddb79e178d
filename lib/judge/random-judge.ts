import { LapidaryError } from '../errors.ts';
import { abstention, askedSteps } from './abstention.ts';
import type { Judge, JudgeRequest, JudgeResponse } from './judge.ts';
import { stepUniforms } from './seeded-step.ts';

export interface RandomJudgeOptions {
  /** Chance in [0, 1] that a step is called right. Set it to the mined share of the judge that is put to the test. */
  right: number;
  seed?: number;
}

/**
 * The control of every judge experiment: right with a stated chance, whatever the step says. Of scope 'prefix', so
 * that propagation leaves the share as it is.
 */
export class RandomJudge implements Judge {
  readonly id: string;
  readonly scope = 'prefix';
  /** The gold answer is not shown to it, so journals may leave it out of their keys. */
  readonly seesGroundTruth = false;
  readonly #right: number;
  readonly #seed: number;

  constructor({ right, seed = 0 }: RandomJudgeOptions) {
    if (!(right >= 0 && right <= 1)) throw badOption('right', right, 'a number in [0, 1]');
    if (!Number.isSafeInteger(seed)) throw badOption('seed', seed, 'a whole number');
    this.#right = right;
    this.#seed = seed;
    this.id = `random-v1(right=${right},seed=${seed})`;
  }

  async judge(request: JudgeRequest): Promise<JudgeResponse> {
    const asked = askedSteps(request);
    const judgements = stepUniforms('random', this.#seed, request).map((draw, k) =>
      asked.has(k)
        ? { label: draw < this.#right ? ('right' as const) : ('wrong' as const), ...NOTHING_MORE }
        : abstention('not-asked'),
    );
    return { judgements, usage: { promptTokens: 0, completionTokens: 0, seconds: 0 } };
  }
}

const NOTHING_MORE = { recovers: false, score: null, reason: null };

function badOption(option: string, given: unknown, expected: string): LapidaryError {
  const problem = `RandomJudge: ${option}: got ${String(given)}; expected ${expected}`;
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: option });
}
