import type { Rollout, Step } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';

/**
 * The steps of each rollout in order, checked: one segmenter, numbered 0, 1, …, and covering the text exactly. What
 * was cut from another text would have its verdicts put on the wrong tokens without a sound.
 */
export function stepsOfRollouts(rollouts: readonly Rollout[], steps: readonly Step[]): Map<string, Step[]> {
  const byRollout = new Map<string, Step[]>(rollouts.map(({ rollout_id }) => [rollout_id, []]));
  for (const step of steps) byRollout.get(step.rollout_id)?.push(step);
  for (const { rollout_id, response_text } of rollouts) {
    const own = byRollout.get(rollout_id)!.sort((a, b) => a.k - b.k);
    const fault = faultOf(own, response_text.length);
    if (fault !== null) {
      const message = `steps of rollout ${rollout_id}: ${fault}`;
      throw new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: 'steps' });
    }
  }
  return byRollout;
}

function faultOf(steps: readonly Step[], length: number): string | null {
  let end = 0;
  for (const [k, step] of steps.entries()) {
    if (step.k !== k) return `expected step ${k}, found step ${step.k}`;
    if (step.segmenter_id !== steps[0]!.segmenter_id) return 'are of more than one segmenter';
    if (step.char_start !== end || step.char_end <= end) {
      return `step ${k} spans ${step.char_start}–${step.char_end}; expected it to start at ${end} and not be empty`;
    }
    end = step.char_end;
  }
  return end === length ? null : `cover ${end} of ${length} characters`;
}
