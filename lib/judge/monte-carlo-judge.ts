import type { Verdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { abstention, askedSteps } from './abstention.ts';
import { ContinuedPrefixes } from './continued-prefixes.ts';
import type { Continuer } from './continuer.ts';
import type { Judge, JudgeRequest, JudgeResponse, StepJudgement } from './judge.ts';

/** The stage's answer check, handed in so that this folder needs no verifier. */
export interface AnswerVerifier {
  /** Part of the judge's id. */
  readonly id: string;
  verify(response: string, groundTruth: string): Verdict | Promise<Verdict>;
}

export interface MonteCarloJudgeOptions {
  continuer: Continuer;
  verifier: AnswerVerifier;
  /** The tokenizer's decode. */
  decode: (ids: ArrayLike<number>) => string;
  /** Continuations from the end of each step. Default 4. */
  samples?: number;
  /** A step is right where at least so many of them reach the gold answer. Default 1. */
  minRight?: number;
  seed?: number;
  /** Responses per call; prefixes that several of them share are continued once. Default 256. */
  batchSize?: number;
}

/**
 * Judges a step by what can still be reached from its end: the response is continued `samples` times from there and
 * the step is right where at least `minRight` continuations reach the gold answer; the score is their share. With
 * minRight 1 this is the hard estimate of Math-Shepherd (arXiv 2312.08935). The last step is judged by the response's
 * own answer. Verdicts depend on the prefix and the seed, not on what is judged together.
 */
export class MonteCarloJudge implements Judge {
  readonly id: string;
  readonly scope = 'prefix';
  readonly batchSize: number;
  readonly #options: Required<MonteCarloJudgeOptions>;

  constructor(options: MonteCarloJudgeOptions) {
    const { samples = 4, minRight = 1, seed = 0, batchSize = 256 } = options;
    checkWhole('samples', samples, 1, 2 ** 20);
    checkWhole('minRight', minRight, 1, samples);
    checkWhole('seed', seed, 0, Number.MAX_SAFE_INTEGER);
    checkWhole('batchSize', batchSize, 1, 2 ** 20);
    this.#options = { ...options, samples, minRight, seed, batchSize };
    this.batchSize = batchSize;
    const settings = `samples=${samples},minRight=${minRight},seed=${seed},verifier=${options.verifier.id}`;
    this.id = `monte-carlo-v1(${settings}):${options.continuer.id}`;
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}): Promise<JudgeResponse> {
    return (await this.judgeBatch([request], options))[0]!;
  }

  async judgeBatch(
    requests: readonly JudgeRequest[],
    options: { signal?: AbortSignal } = {},
  ): Promise<JudgeResponse[]> {
    const prefixes = new ContinuedPrefixes(this.#options);
    const plans = requests.map((request) => ({ request, keys: planPrefixes(request, prefixes) }));
    await prefixes.run(options.signal);
    const responses: JudgeResponse[] = [];
    for (const { request, keys } of plans) {
      options.signal?.throwIfAborted();
      const judgements = await this.#judgements(request, keys, prefixes);
      const completionTokens = prefixes.takeTokens(keys.values());
      responses.push({ judgements, usage: { promptTokens: 0, completionTokens, seconds: 0 } });
    }
    // Calls are shared, so only the sum of the seconds is meant.
    if (responses.length > 0) responses[0]!.usage.seconds = prefixes.seconds;
    return responses;
  }

  async #judgements(
    request: JudgeRequest,
    keys: ReadonlyMap<number, string>,
    prefixes: ContinuedPrefixes,
  ): Promise<StepJudgement[]> {
    const asked = askedSteps(request);
    const fault = faultOf(request);
    const judgements: StepJudgement[] = [];
    for (const k of request.steps.keys()) {
      const key = keys.get(k);
      if (!asked.has(k)) judgements.push(abstention('not-asked'));
      else if (fault !== null) judgements.push(abstention(fault));
      else if (key === undefined) judgements.push(await this.#judgeAnswer(request));
      else judgements.push(await this.#judgePrefix(request, key, prefixes));
    }
    return judgements;
  }

  async #judgeAnswer({ responseIds, groundTruth }: JudgeRequest): Promise<StepJudgement> {
    const { decode, verifier } = this.#options;
    const verdict = await verifier.verify(decode(responseIds!), groundTruth!);
    if (verdict === 'unknown') return abstention('answer-unknown');
    return { label: verdict, recovers: false, score: verdict === 'right' ? 1 : 0, reason: 'own answer' };
  }

  async #judgePrefix(
    { groundTruth }: JudgeRequest,
    key: string,
    prefixes: ContinuedPrefixes,
  ): Promise<StepJudgement> {
    const counts = await prefixes.verdicts(key, groundTruth!);
    if (counts === null) return abstention('context-overflow');
    const { right, unknown } = counts;
    const { samples, minRight } = this.#options;
    if (unknown === samples) return abstention('answer-unknown: of every continuation');
    const reason = `${right} of ${samples} reach the answer${unknown === 0 ? '' : `, ${unknown} unknown`}`;
    const label = right >= minRight ? 'right' : 'wrong';
    return { label, recovers: false, score: right / samples, reason };
  }
}

/** Registers the prefix of every asked step but the last; step → the prefix's key. */
function planPrefixes(request: JudgeRequest, prefixes: ContinuedPrefixes): Map<number, string> {
  const keys = new Map<number, string>();
  if (faultOf(request) !== null) return keys;
  const promptIds = request.promptIds!;
  const ids = Int32Array.from([...promptIds, ...request.responseIds!]);
  for (const k of askedSteps(request)) {
    if (k === request.steps.length - 1) continue;
    const end = promptIds.length + request.stepEnds![k]!;
    keys.set(k, prefixes.add(ids.subarray(0, end), promptIds.length));
  }
  return keys;
}

/** Why nothing of a response can be judged; null where it can. */
function faultOf({ promptIds, responseIds, stepEnds, groundTruth, steps }: JudgeRequest): string | null {
  if (promptIds == null || responseIds == null || stepEnds == null) return 'no-token-ids';
  if (groundTruth === null) return 'no-ground-truth';
  if (promptIds.length === 0) return 'no-token-ids: the prompt has none';
  const fits = stepEnds.length === steps.length && stepEnds.every((end) => end <= responseIds.length);
  return fits ? null : 'no-token-ids: the ends of the steps do not fit the ids';
}

function checkWhole(option: string, given: number, low: number, high: number): void {
  if (Number.isSafeInteger(given) && given >= low && given <= high) return;
  const problem = `MonteCarloJudge: ${option}: got ${given}; expected a whole number from ${low} to ${high}`;
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: option });
}
