import { contentId } from '../data/ids.ts';
import { abstention, askedSteps } from './abstention.ts';
import type { TokenEstimate } from './endpoint-client.ts';
import type { Judge, JudgeRequest, StepJudgement } from './judge.ts';
import { type PrmJudgeOptions, type PrmMerge, prmSettings } from './prm-options.ts';
import { addCallUsage, noCallUsage, type PrmProtocol } from './prm-protocol.ts';
import { type PrmWindow, planWindows } from './prm-windows.ts';
import type { RecordedResponse } from './recorded-response.ts';

export type { PrmJudgeOptions } from './prm-options.ts';

/** What was found of one step: scores with the first step shown beside it, or failures. */
interface Found {
  scores: { score: number; from: number }[];
  failure: string | null;
}

/**
 * A process reward model behind an HTTP endpoint: its score of a step is P(right so far), stored as it is, and the
 * step is right where the score is at least lambda. What does not fit the model's context is scored in windows, and
 * every step scored without its full prefix says so in its reason. Failures abstain with their class; a server that
 * can never work (refused key, no such model, no score per separator) throws ERR_LAPIDARY_JUDGE.
 */
export class PrmJudge implements Judge {
  readonly id: string;
  readonly scope = 'prefix';
  /** The gold answer is not shown to it, so journals may leave it out of their keys. */
  readonly seesGroundTruth = false;
  readonly #protocol: PrmProtocol;
  readonly #settings: ReturnType<typeof prmSettings>;

  constructor(options: PrmJudgeOptions) {
    this.#settings = prmSettings(options);
    const { protocol, model, lambda, contextTokens, tailShare, merge, identity } = this.#settings;
    this.#protocol = protocol;
    const settings = contentId({ contextTokens, tailShare, merge, ...identity }).slice(0, 8);
    this.id = `prm:${model}:${protocol.name}:${settings}(lambda=${lambda})`;
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}): Promise<RecordedResponse> {
    const { signal } = options;
    signal?.throwIfAborted();
    const total = noCallUsage();
    const started = performance.now();
    const { steps, problem } = request;
    const asked = askedSteps(request);
    const found = steps.map((): Found => ({ scores: [], failure: null }));
    const { windows, tooLong } = this.#plan(problem, steps);
    for (const k of tooLong) found[k]!.failure = 'context-overflow: the step alone does not fit';
    for (const window of windows) {
      if (!hasAsked(window, asked)) continue;
      const { from, scored, to } = window;
      const question = { problem, steps: steps.slice(from, to), scored: scored - from };
      const answer = await this.#protocol.ask(question, signal);
      addCallUsage(total, answer.usage);
      for (let k = from; k < to; k++) {
        const score = answer.ok ? answer.scores[k - from]! : answer.failure;
        if (typeof score === 'number') found[k]!.scores.push({ score, from });
        else if (score !== null && k >= scored) found[k]!.failure = score;
      }
    }
    const { costUsd, ...counts } = total;
    const seconds = (performance.now() - started) / 1000;
    const usage = { ...counts, ...(this.#settings.priced ? { costUsd } : {}), seconds };
    const judgements = found.map((own, k) => (asked.has(k) ? this.#judgement(own) : abstention('not-asked')));
    return { judgements, usage };
  }

  /** Requests and tokens that judging all steps would take, the probe apart, by the estimate that plans windows. */
  estimate(problem: string, steps: readonly string[]): TokenEstimate & { calls: number } {
    const { windows, costs, frame } = this.#plan(problem, steps);
    const total = { calls: 0, promptTokens: 0, completionTokens: 0 };
    const { requestPerStep } = this.#protocol;
    for (const { from, scored, to } of windows) {
      for (let end = requestPerStep ? scored + 1 : to; end <= to; end++) {
        total.calls++;
        total.promptTokens += costs.slice(from, end).reduce((a, b) => a + b, frame + RESERVE);
        total.completionTokens += requestPerStep ? 1 : 0;
      }
    }
    return total;
  }

  #plan(problem: string, steps: readonly string[]) {
    const { countTokens, contextTokens, tailShare } = this.#settings;
    const frame = countTokens(this.#protocol.frame(problem));
    const room = contextTokens - frame - RESERVE;
    const costs = steps.map((step) => countTokens(this.#protocol.stepText(step)));
    return { ...planWindows(costs, room, Math.floor(tailShare * Math.max(0, room))), costs, frame };
  }

  #judgement({ scores, failure }: Found): StepJudgement {
    // The window in which the step was new decides; a score as another window's context does not stand in for it.
    if (failure !== null) return abstention(failure);
    const { score, from } = merged(scores, this.#settings.merge);
    const reason = from === 0 ? null : `partial-prefix: shown from step ${from} on, counted from 0`;
    return { label: score >= this.#settings.lambda ? 'right' : 'wrong', recovers: false, score, reason };
  }
}

/** Tokens kept free for what templates and servers add. */
const RESERVE = 16;

function hasAsked({ scored, to }: PrmWindow, asked: ReadonlySet<number>): boolean {
  for (let k = scored; k < to; k++) if (asked.has(k)) return true;
  return false;
}

/** Windows come in order, so the first to score a step showed most of what is before it. */
function merged(scores: Found['scores'], merge: PrmMerge): { score: number; from: number } {
  const all = scores.map(({ score }) => score);
  const { score, from } = scores[0]!;
  if (merge === 'most-context') return { score, from };
  // Of several windows the last shows least.
  const last = scores.at(-1)!.from;
  if (merge === 'min') return { score: Math.min(...all), from: last };
  return { score: all.reduce((a, b) => a + b, 0) / all.length, from: last };
}
