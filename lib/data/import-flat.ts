import { z } from 'zod';
import { dataError } from '../errors.ts';
import { RolloutChecker, type RolloutCheckOptions } from './check-rollouts.ts';
import { contentId } from './ids.ts';
import type { JsonlRow } from './jsonl.ts';
import { validateRow } from './parse-row.ts';
import { attempt, type OnBadRow } from './read-rows.ts';
import { type Prompt, Rollout } from './records.ts';
import { readRows } from './tables.ts';

/** One response a row, question and gold answer beside it. Columns not named here are kept on the rollout. */
export const FlatRow = z.looseObject({
  prompt: z.string().min(1),
  response: z.string(),
  gold_answer: z.union([z.string().regex(/\S/, 'is empty'), z.number()]),
  /** The file's own name for the group of responses that share a baseline. */
  prompt_id: z.string().min(1).nullish(),
  model: z.string().nullish(),
  sample_index: z.number().int().min(0).nullish(),
});
export type FlatRow = z.infer<typeof FlatRow>;

export interface RolloutSet {
  /** Distinct, in order of first use. */
  prompts: Prompt[];
  rollouts: Rollout[];
}

/** Reads a flat file. Its `prompt_id` becomes group_id; prompt_id and rollout_id are content hashes. */
export async function importFlat(
  path: string,
  options: RolloutCheckOptions & { onBadRow?: OnBadRow } = {},
): Promise<RolloutSet> {
  return collectFlat(readRows(path, FlatRow, options.onBadRow), path, options);
}

/** The same over rows that were read elsewhere. */
export async function collectFlat(
  rows: AsyncIterable<JsonlRow<FlatRow>>,
  file: string,
  options: RolloutCheckOptions & { onBadRow?: OnBadRow } = {},
): Promise<RolloutSet> {
  const checker = new RolloutChecker(file, options);
  const prompts = new Map<string, Prompt>();
  const rollouts: Rollout[] = [];
  const sizeOfGroup = new Map<string, number>();
  for await (const { row, line } of rows) {
    const prompt = promptOf(row);
    const group =
      row.prompt_id ?? contentId({ prompt_id: prompt.prompt_id, iteration: 0, model: row.model ?? null });
    const position = sizeOfGroup.get(group) ?? 0;
    const rollout = attempt(() => {
      const made = rolloutOf(row, prompt.prompt_id, group, row.sample_index ?? position, file, line);
      checker.check(made, line);
      return made;
    }, options.onBadRow);
    if (rollout === undefined) continue;
    sizeOfGroup.set(group, position + 1);
    if (!prompts.has(prompt.prompt_id)) prompts.set(prompt.prompt_id, prompt);
    rollouts.push(rollout);
  }
  return { prompts: [...prompts.values()], rollouts };
}

function promptOf(row: FlatRow): Prompt {
  const messages = [{ role: 'user', content: row.prompt }];
  const groundTruth = String(row.gold_answer);
  return {
    prompt_id: contentId({ messages, ground_truth: groundTruth }),
    messages,
    data_source: typeof row.dataset === 'string' ? row.dataset : null,
    reward_model: { style: 'math', ground_truth: groundTruth },
  };
}

/** Columns that this importer computes; a file that brings its own would lose them, so it is refused. */
const COMPUTED = ['rollout_id', 'group_id', 'group_index', 'response_text', 'sampler'] as const;

function rolloutOf(
  row: FlatRow,
  promptId: string,
  group: string,
  index: number,
  file: string,
  line: number,
): Rollout {
  const clash = COMPUTED.find((column) => row[column] !== undefined);
  if (clash !== undefined) {
    throw dataError(file, line, clash, 'is a column of the rollouts table; a flat row cannot carry it');
  }
  const {
    prompt: _prompt,
    response,
    gold_answer: _gold,
    prompt_id: _id,
    model,
    sample_index: _index,
    ...kept
  } = row;
  const identity = { prompt_id: promptId, group_id: group, group_index: index, response };
  const rollout = {
    iteration: 0,
    ...kept,
    rollout_id: contentId(identity),
    prompt_id: promptId,
    group_id: group,
    group_index: index,
    response_text: response,
    sampler: { engine: 'imported', model: model ?? 'unknown' },
  };
  return validateRow(rollout, Rollout, file, line);
}
