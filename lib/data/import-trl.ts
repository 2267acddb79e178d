import { z } from 'zod';
import { dataError } from '../errors.ts';
import { messagesOf, TextOrChat } from './chat-prompt.ts';
import { type DumpFormat, type ImportOptions, importDump } from './collect-samples.ts';
import { goldAnswerOf, withoutColumns } from './gold-answer.ts';
import type { RolloutSet } from './import-flat.ts';

/** A row of TRL's logged completions. The columns of the reward functions and `advantage` are kept as they are. */
export const TrlRow = z.looseObject({
  /** The training step, so the policy that answered: it becomes the iteration. */
  step: z.number().int().min(0).nullish(),
  prompt: TextOrChat,
  completion: TextOrChat,
});
export type TrlRow = z.infer<typeof TrlRow>;

/**
 * Reads logged completions of TRL (as JSONL). They are text only: tokens and log-probs have to be recomputed. TRL logs
 * no gold answers, so `answers` or `answerColumn` gives them, unless the file has an `answer` column of its own.
 */
export function importTrl(path: string, options: ImportOptions = {}): Promise<RolloutSet> {
  return importDump(path, trlFormat, options);
}

const ANSWER_COLUMNS = ['answer', 'gold_answer'];

export const trlFormat: DumpFormat<TrlRow> = {
  schema: TrlRow,
  read(row, place) {
    const messages = messagesOf(row.prompt);
    const completion = messagesOf(row.completion);
    if (completion.length !== 1) {
      const problem = `has ${completion.length} messages; a completion of several turns is not supported`;
      throw dataError(place.file, place.line, 'completion', problem);
    }
    const gold = goldAnswerOf(row, ANSWER_COLUMNS, messages, place);
    return {
      messages,
      goldAnswer: gold.goldAnswer,
      iteration: row.step ?? 0,
      sampler: {},
      samples: [{ text: completion[0]!.content, fields: { ids: '', logprobs: '' } }],
      kept: withoutColumns(row, ['step', 'prompt', 'completion', gold.column]),
    };
  },
};
