import { LapidaryError } from '../errors.ts';
import type { Prompt, Rollout, Step, TrainRow } from './records.ts';

export type ExportedLabel = 'right' | 'wrong' | 'abstain';

/** The tables that an export draws on. */
export interface ExportSource {
  prompts: Iterable<Prompt>;
  rollouts: Iterable<Rollout>;
  steps: Iterable<Step>;
  /** Labels per step by rollout id; a rollout that was not judged is absent. */
  labels: ReadonlyMap<string, readonly ExportedLabel[]>;
  /** One export row at most per training row; those with a drop_reason are left out. */
  trainRows: Iterable<TrainRow>;
  /** The text of a prompt of several messages, for formats that hold text only. */
  renderPrompt?: (prompt: Prompt) => string;
}

/** A training row with all that belongs to it. */
export interface ExportedRollout {
  prompt: Prompt;
  rollout: Rollout;
  train: TrainRow;
}

/** The rows that are trained on, in the order of the training table. */
export function* exportedRollouts(source: ExportSource): Generator<ExportedRollout> {
  const prompts = new Map([...source.prompts].map((prompt) => [prompt.prompt_id, prompt]));
  const rollouts = new Map([...source.rollouts].map((rollout) => [rollout.rollout_id, rollout]));
  for (const train of source.trainRows) {
    if (train.drop_reason !== null) continue;
    const rollout = rollouts.get(train.rollout_id);
    if (rollout === undefined)
      throw exportError('rollout_id', train.rollout_id, 'is a training row without its rollout');
    const prompt = prompts.get(rollout.prompt_id);
    if (prompt === undefined) {
      throw exportError('prompt_id', rollout.rollout_id, `${rollout.prompt_id} is not among the prompts`);
    }
    yield { prompt, rollout, train };
  }
}

/** The prompt as text. Throws ERR_LAPIDARY_ARGUMENT for a chat of several messages without `renderPrompt`. */
export function promptText({ prompt, rollout }: ExportedRollout, source: ExportSource): string {
  if (source.renderPrompt !== undefined) return source.renderPrompt(prompt);
  const { messages } = prompt;
  if (messages.length === 1) return messages[0]!.content;
  const problem = `exportRows: renderPrompt: rollout ${rollout.rollout_id} has a prompt of ${messages.length} messages and the format holds text; give a function that renders it`;
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'renderPrompt' });
}

/** Response ids, checked against the weights and log-probs that go beside them. */
export function responseIds({ rollout, train }: ExportedRollout): number[] {
  const ids = rollout.response_ids;
  if (ids == null)
    throw exportError('response_ids', rollout.rollout_id, 'is missing; the format holds tokens');
  const lists = { token_weight: train.token_weight, behavior_logprobs: rollout.behavior_logprobs };
  for (const [name, list] of Object.entries(lists)) {
    if (list != null && list.length !== ids.length) {
      const problem = `has ${list.length} entries, response_ids has ${ids.length}`;
      throw exportError(name, rollout.rollout_id, problem);
    }
  }
  return ids;
}

/** ERR_LAPIDARY_DATA naming the rollout and the field. */
export function exportError(field: string, rolloutId: string, problem: string): LapidaryError {
  const message = `rollout ${rolloutId}: ${field}: ${problem}`;
  return new LapidaryError('ERR_LAPIDARY_DATA', message, { argument: field });
}
