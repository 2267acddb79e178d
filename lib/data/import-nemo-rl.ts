import { z } from 'zod';
import { dataError } from '../errors.ts';
import { messagesOf } from './chat-prompt.ts';
import { type DumpFormat, type ImportOptions, importDump, type RowPlace } from './collect-samples.ts';
import { goldAnswerOf, withoutColumns } from './gold-answer.ts';
import type { RolloutSet } from './import-flat.ts';
import { SAMPLING_SETTINGS, samplingSettings } from './logprob-kind.ts';

const Text = z.union([z.string(), z.array(z.string())]);

/** A row of NeMo-RL's train_data_stepN.jsonl. Rewards, advantages and prev_logprobs are kept as they are. */
export const NemoRlRow = z.looseObject({
  token_ids: z.array(z.number().int().min(0)),
  /** 1 on tokens that the policy sampled, 0 on prompt and padding. */
  token_loss_mask: z.array(z.union([z.literal(0), z.literal(1), z.boolean()])),
  /** One entry per token, or one per sampled token. */
  generation_logprobs: z.array(z.number()).nullish(),
  /** The texts of the messages in order, or all in one piece. */
  content: Text.nullish(),
  text: Text.nullish(),
  prompt: z.string().min(1).nullish(),
  /** Tokens before the padding. */
  input_lengths: z.union([z.number().int().min(0), z.array(z.number().int().min(0)).length(1)]).nullish(),
  step: z.number().int().min(0).nullish(),
});
export type NemoRlRow = z.infer<typeof NemoRlRow>;

/**
 * Reads NeMo-RL's training dumps. The mask splits the tokens into prompt and response. Where the text is one piece it
 * is split by the `prompt` column, else by `decode`. Responses of several turns are refused: the loss would train on
 * the tokens of the environment.
 */
export function importNemoRl(path: string, options: ImportOptions = {}): Promise<RolloutSet> {
  return importDump(path, nemoRlFormat, options);
}

const ANSWER_COLUMNS = ['answer', 'gold_answer'];
const READ = ['token_ids', 'token_loss_mask', 'generation_logprobs', 'content', 'text', 'prompt'];

export const nemoRlFormat: DumpFormat<NemoRlRow> = {
  schema: NemoRlRow,
  read(row, place) {
    const tokens = splitTokens(row, place);
    const text = splitText(row, tokens, place);
    const messages = messagesOf(text.prompt);
    const gold = goldAnswerOf(row, ANSWER_COLUMNS, messages, place);
    const used = [
      ...READ,
      ...SAMPLING_SETTINGS,
      gold.column,
      'input_lengths',
      'step',
      'model',
      'logprob_kind',
    ];
    return {
      messages,
      goldAnswer: gold.goldAnswer,
      iteration: row.step ?? 0,
      sampler: { model: row.model, ...samplingSettings(row) },
      statedKind: row.logprob_kind,
      samples: [
        {
          text: text.response,
          promptIds: tokens.prompt,
          ids: tokens.response,
          logprobs: tokens.logprobs,
          fields: { ids: 'token_ids', logprobs: 'generation_logprobs' },
        },
      ],
      kept: withoutColumns(row, used),
    };
  },
};

interface SplitTokens {
  prompt: number[];
  response: number[];
  logprobs: number[] | undefined;
}

function splitTokens(row: NemoRlRow, { file, line }: RowPlace): SplitTokens {
  const { token_ids: ids, generation_logprobs: logprobs } = row;
  const mask = row.token_loss_mask.map(Boolean);
  if (mask.length !== ids.length) {
    const problem = `has ${mask.length} entries, token_ids has ${ids.length}`;
    throw dataError(file, line, 'token_loss_mask', problem);
  }
  const length = [row.input_lengths ?? ids.length].flat()[0]!;
  const sampled = mask.filter(Boolean).length;
  const end = mask.lastIndexOf(true) + 1;
  const start = sampled === 0 ? length : mask.indexOf(true);
  if (length > ids.length || end > length) {
    const problem = `is ${length}; token_ids has ${ids.length}, and the mask ends at ${end}`;
    throw dataError(file, line, 'input_lengths', problem);
  }
  if (sampled > 0 && end - start !== sampled) {
    const gap = mask.indexOf(false, start);
    throw dataError(
      file,
      line,
      `token_loss_mask[${gap}]`,
      'is 0 inside the response; several turns are not supported',
    );
  }
  const response = sampled === 0 ? [] : ids.slice(start, end);
  return {
    prompt: ids.slice(0, start),
    response,
    logprobs:
      logprobs?.length === ids.length
        ? logprobs.slice(start, start + sampled)
        : sampledOnly(logprobs, sampled, ids.length, file, line),
  };
}

/** Log-probs that are not one per token must be one per sampled token. */
function sampledOnly(
  logprobs: number[] | null | undefined,
  sampled: number,
  tokens: number,
  file: string,
  line: number,
): number[] | undefined {
  if (logprobs == null || logprobs.length === sampled) return logprobs ?? undefined;
  const problem = `has ${logprobs.length} entries, token_ids has ${tokens} (${sampled} of them sampled)`;
  throw dataError(file, line, 'generation_logprobs', problem);
}

function splitText(
  row: NemoRlRow,
  tokens: SplitTokens,
  { file, line, options }: RowPlace,
): { prompt: string; response: string } {
  const text = row.content ?? row.text;
  const field = row.content == null ? 'text' : 'content';
  const { decode } = options;
  if (Array.isArray(text)) {
    // The last message is the sampled one; where nothing was sampled, the prompt may be all there is.
    const sampled = text.length > 1 || tokens.response.length > 0;
    const prompt = row.prompt ?? (sampled ? text.slice(0, -1) : text).join('');
    if (prompt === '')
      throw dataError(file, line, field, `has ${text.length} texts; expected prompt and response`);
    return { prompt, response: sampled ? text.at(-1)! : '' };
  }
  if (text != null && row.prompt != null) {
    if (text.startsWith(row.prompt)) return { prompt: row.prompt, response: text.slice(row.prompt.length) };
    throw dataError(file, line, field, 'does not begin with the text of the column prompt');
  }
  if (decode !== undefined) {
    return { prompt: row.prompt ?? decode(tokens.prompt), response: decode(tokens.response) };
  }
  const problem = 'does not tell prompt from response; give the option decode (token ids to text)';
  throw dataError(file, line, field, text == null ? `is missing, and so is the option decode` : problem);
}
