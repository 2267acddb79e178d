import { z } from 'zod';
import { messagesOf } from './chat-prompt.ts';
import { type DumpFormat, type ImportOptions, importDump } from './collect-samples.ts';
import { goldAnswerOf, withoutColumns } from './gold-answer.ts';
import type { RolloutSet } from './import-flat.ts';

/** A row of verl's rollout dump. `score` and the further reward columns are kept as they are. */
export const VerlRow = z.looseObject({
  input: z.string().min(1),
  output: z.string(),
  /** The training step, so the policy that answered: it becomes the iteration. */
  step: z.number().int().min(0).nullish(),
});
export type VerlRow = z.infer<typeof VerlRow>;

/**
 * Reads verl's rollout dumps (STEP.jsonl), text only. `input` is the prompt as the template rendered it; it becomes
 * one user message. The gold answer is `gts`.
 */
export function importVerl(path: string, options: ImportOptions = {}): Promise<RolloutSet> {
  return importDump(path, verlFormat, options);
}

const ANSWER_COLUMNS = ['gts'];

export const verlFormat: DumpFormat<VerlRow> = {
  schema: VerlRow,
  read(row, place) {
    const messages = messagesOf(row.input);
    const gold = goldAnswerOf(row, ANSWER_COLUMNS, messages, place);
    return {
      messages,
      goldAnswer: gold.goldAnswer,
      iteration: row.step ?? 0,
      sampler: {},
      samples: [{ text: row.output, fields: { ids: '', logprobs: '' } }],
      kept: withoutColumns(row, ['input', 'output', 'step', gold.column]),
    };
  },
};
