import { z } from 'zod';
import { messagesOf, TextOrChat } from './chat-prompt.ts';
import { type DumpFormat, type ImportOptions, importDump, type Sample } from './collect-samples.ts';
import { goldAnswerOf, withoutColumns } from './gold-answer.ts';
import type { RolloutSet } from './import-flat.ts';
import { SAMPLING_SETTINGS, samplingSettings } from './logprob-kind.ts';

const TokenIds = z.array(z.number().int().min(0));

const GroupedResponse = z.looseObject({
  text: z.string(),
  token_ids: TokenIds.nullish(),
  logprobs: z.array(z.number()).nullish(),
  finish_reason: z.string().nullish(),
});

/** One question with all its responses. Sampling settings (temperature, top_p, …) may stand beside, and are kept. */
export const GroupedRow = z.looseObject({
  prompt: TextOrChat,
  /** A bare text becomes `{text}`. */
  responses: z
    .array(z.preprocess((value) => (typeof value === 'string' ? { text: value } : value), GroupedResponse))
    .min(1),
  model: z.string().nullish(),
  /** The file's own name for the group. */
  group_id: z.string().min(1).nullish(),
  prompt_ids: TokenIds.nullish(),
});
export type GroupedRow = z.infer<typeof GroupedRow>;

/** Reads a file of one question a row, `responses` being texts or objects with text, token_ids, logprobs. */
export function importGrouped(path: string, options: ImportOptions = {}): Promise<RolloutSet> {
  return importDump(path, groupedFormat, options);
}

const ANSWER_COLUMNS = ['answer', 'gold_answer'];

export const groupedFormat: DumpFormat<GroupedRow> = {
  schema: GroupedRow,
  read(row, place) {
    const messages = messagesOf(row.prompt);
    const own = ['prompt', 'responses', 'model', 'group_id', 'prompt_ids', 'logprob_kind'];
    const gold = goldAnswerOf(row, ANSWER_COLUMNS, messages, place);
    return {
      messages,
      goldAnswer: gold.goldAnswer,
      dataSource: typeof row.dataset === 'string' ? row.dataset : null,
      group: row.group_id,
      sampler: { model: row.model, ...samplingSettings(row) },
      statedKind: row.logprob_kind,
      samples: row.responses.map((response, index): Sample => {
        const { text, token_ids, logprobs, finish_reason, ...kept } = response;
        return {
          text,
          promptIds: row.prompt_ids,
          ids: token_ids,
          logprobs,
          finishReason: finish_reason,
          fields: { ids: `responses[${index}].token_ids`, logprobs: `responses[${index}].logprobs` },
          kept,
        };
      }),
      kept: withoutColumns(row, [...own, ...SAMPLING_SETTINGS, gold.column]),
    };
  },
};
