import {
  type ExportedRollout,
  type ExportSource,
  exportError,
  exportedRollouts,
  promptText,
} from './export-source.ts';
import type { Step } from './records.ts';

export interface TrlStepwiseRow {
  prompt: string;
  /** The texts of the steps; together they are the response, or its beginning. */
  completions: string[];
  labels: boolean[];
}

/**
 * TRL's stepwise supervision, one row per judged rollout. The format has no abstention, so a row ends before the first
 * step that the judges abstained on; a rollout without a label on its first step gives no row.
 */
export function* exportTrlStepwise(source: ExportSource): Generator<TrlStepwiseRow> {
  const stepsOf = stepsByRollout(source.steps);
  for (const exported of exportedRollouts(source)) {
    const { rollout } = exported;
    const labels = source.labels.get(rollout.rollout_id);
    if (labels === undefined) continue;
    const texts = stepTexts(exported, stepsOf.get(rollout.rollout_id) ?? []);
    if (texts.length !== labels.length) {
      throw exportError(
        'labels',
        rollout.rollout_id,
        `has ${labels.length} labels for ${texts.length} steps`,
      );
    }
    const abstained = labels.indexOf('abstain');
    const known = abstained === -1 ? labels.length : abstained;
    if (known === 0) continue;
    yield {
      prompt: promptText(exported, source),
      completions: texts.slice(0, known),
      labels: labels.slice(0, known).map((label) => label === 'right'),
    };
  }
}

export interface TrlKtoRow {
  /** A chat, as TRL's conversational form has it, where the prompt is more than one user message. */
  prompt: string | { role: string; content: string }[];
  completion: string | { role: string; content: string }[];
  /** Whether the final answer is right. */
  label: boolean;
}

/** TRL's unpaired preferences (KTO). Rollouts without a verdict of right or wrong give no row. */
export function* exportTrlKto(source: ExportSource): Generator<TrlKtoRow> {
  for (const exported of exportedRollouts(source)) {
    const { prompt, rollout } = exported;
    if (rollout.verdict !== 'right' && rollout.verdict !== 'wrong') continue;
    const label = rollout.verdict === 'right';
    const [first, ...others] = prompt.messages;
    if (source.renderPrompt !== undefined || (first!.role === 'user' && others.length === 0)) {
      yield { prompt: promptText(exported, source), completion: rollout.response_text, label };
    } else {
      const completion = [{ role: 'assistant', content: rollout.response_text }];
      yield { prompt: prompt.messages, completion, label };
    }
  }
}

function stepsByRollout(steps: Iterable<Step>): Map<string, Step[]> {
  const byRollout = new Map<string, Step[]>();
  for (const step of steps) {
    const known = byRollout.get(step.rollout_id);
    if (known === undefined) byRollout.set(step.rollout_id, [step]);
    else known.push(step);
  }
  for (const own of byRollout.values()) own.sort((a, b) => a.k - b.k);
  return byRollout;
}

/** The text of each step; the steps have to cover the response exactly, or text would be lost or said twice. */
function stepTexts({ rollout }: ExportedRollout, steps: readonly Step[]): string[] {
  let end = 0;
  for (const step of steps) {
    if (step.char_start !== end || step.char_end < end) {
      const problem = `has step ${step.k} at [${step.char_start}, ${step.char_end}), where ${end} is the end of the one before`;
      throw exportError('steps', rollout.rollout_id, problem);
    }
    end = step.char_end;
  }
  if (end !== rollout.response_text.length) {
    const problem = `has steps up to ${end}, its response is ${rollout.response_text.length} long`;
    throw exportError('steps', rollout.rollout_id, problem);
  }
  return steps.map((step) => rollout.response_text.slice(step.char_start, step.char_end));
}
