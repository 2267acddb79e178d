import type { Rollout, Step } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { StepLabel } from '../judge/judge.ts';

/** The tokens of the steps labelled right, as half-open spans in order. */
export function rightSpans(
  rollout: Rollout,
  steps: readonly Step[],
  labels: readonly StepLabel[],
): { start: number; end: number }[] {
  const length = responseLength(rollout);
  if (labels.length !== steps.length) {
    throw badRollout(rollout, 'consensus', `has ${labels.length} labels for ${steps.length} steps`);
  }
  const spans: { start: number; end: number }[] = [];
  for (const [k, step] of steps.entries()) {
    if (step.k !== k) throw badRollout(rollout, 'steps', `expected step ${k}, found step ${step.k}`);
    if (labels[k] !== 'right') continue;
    const { token_start: start, token_end: end } = step;
    if (start === null || end === null) throw badRollout(rollout, 'steps', `step ${k} has no token span`);
    if (start > end || end > length) {
      throw badRollout(rollout, 'steps', `step ${k} spans tokens ${start}–${end} of a response of ${length}`);
    }
    spans.push({ start, end });
  }
  return spans;
}

/** w_ij of the objective: `beta` on the tokens of right steps, 1 elsewhere; one entry per response token. */
export function tokenWeights(
  rollout: Rollout,
  steps: readonly Step[],
  labels: readonly StepLabel[],
  beta: number,
): number[] {
  const weights = new Array<number>(responseLength(rollout)).fill(1);
  for (const { start, end } of rightSpans(rollout, steps, labels)) weights.fill(beta, start, end);
  return weights;
}

/** Number of response tokens; an error where the rollout stores text only. */
export function responseLength(rollout: Rollout): number {
  if (rollout.response_ids == null) {
    throw badRollout(rollout, 'response_ids', 'is missing; token weights need the stored token ids');
  }
  return rollout.response_ids.length;
}

/** Steps by rollout, ordered by k. */
export function stepsByRollout(steps: readonly Step[]): Map<string, Step[]> {
  const byRollout = new Map<string, Step[]>();
  for (const step of steps) {
    const own = byRollout.get(step.rollout_id);
    if (own === undefined) byRollout.set(step.rollout_id, [step]);
    else own.push(step);
  }
  for (const own of byRollout.values()) own.sort((a, b) => a.k - b.k);
  return byRollout;
}

export function badRollout(rollout: Rollout, field: string, problem: string): LapidaryError {
  const message = `rollout ${rollout.rollout_id}: ${field}: ${problem}`;
  return new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: field });
}
