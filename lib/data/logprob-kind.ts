import type { z } from 'zod';
import { dataError } from '../errors.ts';
import { LogprobKind } from './records.ts';

export type LogprobKindName = z.infer<typeof LogprobKind>;

const never = () => false;
const empty = (value: unknown) => typeof value === 'object' && Object.keys(value as object).length === 0;

/** For each sampling setting, which values leave the model's own distribution as it is. */
const NEUTRAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  top_p: (value) => value === 1,
  top_k: (value) => value === -1 || value === 0,
  min_p: (value) => value === 0,
  typical_p: (value) => value === 1,
  presence_penalty: (value) => value === 0,
  frequency_penalty: (value) => value === 0,
  repetition_penalty: (value) => value === 1,
  logit_bias: empty,
  bad_words: empty,
  min_tokens: (value) => value === 0,
  use_beam_search: (value) => value === false,
  allowed_token_ids: never,
  structured_outputs: never,
  guided_json: never,
  guided_regex: never,
  guided_choice: never,
  guided_grammar: never,
  response_format: (value) => (value as { type?: unknown }).type === 'text',
};

/** The columns that a row may carry its sampling settings in; they go to the rollout's sampler. */
export const SAMPLING_SETTINGS: readonly string[] = [
  'temperature',
  ...Object.keys(NEUTRAL),
  'seed',
  'max_tokens',
];

export function samplingSettings(row: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(SAMPLING_SETTINGS.map((name) => [name, row[name]]));
}

/**
 * True where the settings say that tokens were drawn from the plain softmax: temperature 1, written down, and nothing
 * cut off or shifted. A temperature that is not written down proves nothing, since servers have defaults of their own.
 */
export function samplesPlainSoftmax(settings: Readonly<Record<string, unknown>>): boolean {
  if (settings.temperature !== 1) return false;
  return Object.entries(NEUTRAL).every(([name, neutral]) => {
    const value = settings[name];
    return value === undefined || value === null || neutral(value);
  });
}

/**
 * What a row's log-probs are: its own `logprob_kind`, else raw_full_vocab where its settings prove it, else the
 * caller's word. Throws ERR_LAPIDARY_DATA where none of the three says.
 */
export function logprobKindOf(
  row: { stated?: unknown; settings: Readonly<Record<string, unknown>> },
  option: LogprobKindName | undefined,
  file: string,
  line: number,
): LogprobKindName {
  if (row.stated !== undefined && row.stated !== null) {
    const stated = LogprobKind.safeParse(row.stated);
    if (stated.success) return stated.data;
    const problem = `is ${JSON.stringify(row.stated)}; expected one of ${LogprobKind.options.join(', ')}`;
    throw dataError(file, line, 'logprob_kind', problem);
  }
  if (samplesPlainSoftmax(row.settings)) return 'raw_full_vocab';
  if (option !== undefined) return option;
  const problem =
    'is unknown: the row holds log-probs and does not prove temperature 1 without truncation or penalties; ' +
    `give the option logprobKind, one of ${LogprobKind.options.join(', ')} (logprob_kind in a run's [data])`;
  throw dataError(file, line, 'logprob_kind', problem);
}
