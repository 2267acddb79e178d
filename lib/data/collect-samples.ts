import type { z } from 'zod';
import { dataError } from '../errors.ts';
import { RolloutChecker, type RolloutCheckOptions } from './check-rollouts.ts';
import { contentId } from './ids.ts';
import type { RolloutSet } from './import-flat.ts';
import type { JsonlRow } from './jsonl.ts';
import { type LogprobKindName, logprobKindOf } from './logprob-kind.ts';
import { validateRow } from './parse-row.ts';
import { attempt, type OnBadRow, readRows } from './read-rows.ts';
import { type Prompt, Rollout } from './records.ts';

export interface ImportOptions extends RolloutCheckOptions {
  /** What the file's log-probs are, where a row does not prove it. */
  logprobKind?: LogprobKindName;
  /** The column that holds the gold answer, where it has another name than the format gives it. */
  answerColumn?: string;
  /** Gold answers of rows that bring none: from the prompt's text (of the last message) to the answer. */
  answers?: ReadonlyMap<string, string | number>;
  /** Turns token ids into text, for dumps (NeMo-RL) that hold prompt and response as one piece of text. */
  decode?: (ids: readonly number[]) => string;
  /** Told of each malformed row, which is then left out. Without it the first malformed row is thrown. */
  onBadRow?: OnBadRow;
}

/** The responses of one row of a dump, in the terms of the tables. */
export interface SampledRow {
  messages: Prompt['messages'];
  goldAnswer: string;
  dataSource?: string | null | undefined;
  iteration?: number;
  /** The file's own name of the group; else rows with one prompt, iteration and sampler share one. */
  group?: string | null | undefined;
  /** Engine and model are filled in where absent. A seed tells calls apart, not groups. */
  sampler: Readonly<Record<string, unknown>>;
  /** The row's own word on its log-probs. */
  statedKind?: unknown;
  samples: readonly Sample[];
  /** Columns that the format does not name; kept on each rollout of the row. */
  kept: Readonly<Record<string, unknown>>;
}

export interface Sample {
  text: string;
  promptIds?: readonly number[] | null | undefined;
  ids?: readonly number[] | null | undefined;
  logprobs?: readonly number[] | null | undefined;
  finishReason?: string | null | undefined;
  /** The names of the two lists in the file, for messages. */
  fields: { ids: string; logprobs: string };
  kept?: Readonly<Record<string, unknown>>;
}

/** A dump's row schema and what its rows mean. */
export interface DumpFormat<Row> {
  schema: z.ZodType<Row>;
  read(row: Row, at: RowPlace): SampledRow;
}

/** Where a row stands, and what the caller said about the file. */
export interface RowPlace {
  file: string;
  line: number;
  options: ImportOptions;
}

/** Reads a JSONL dump. Ids are content hashes; malformed rows throw or go to onBadRow. */
export function importDump<Row>(
  path: string,
  format: DumpFormat<Row>,
  options: ImportOptions = {},
): Promise<RolloutSet> {
  return collectDump(readRows(path, format.schema, options.onBadRow), path, format, options);
}

/** The same over rows that were read elsewhere and hold to the format's schema. */
export async function collectDump<Row>(
  rows: AsyncIterable<JsonlRow<Row>>,
  file: string,
  format: DumpFormat<Row>,
  options: ImportOptions = {},
): Promise<RolloutSet> {
  const checker = new RolloutChecker(file, options);
  const prompts = new Map<string, Prompt>();
  const rollouts: Rollout[] = [];
  const sizeOfGroup = new Map<string, number>();
  for await (const { row, line } of rows) {
    const place = { file, line, options };
    const read = attempt(() => {
      const made = tabulate(format.read(row, place), sizeOfGroup, place);
      checker.checkTogether(made.rollouts, line);
      return made;
    }, options.onBadRow);
    if (read === undefined) continue;
    sizeOfGroup.set(read.group, (sizeOfGroup.get(read.group) ?? 0) + read.rollouts.length);
    if (!prompts.has(read.prompt.prompt_id)) prompts.set(read.prompt.prompt_id, read.prompt);
    for (const rollout of read.rollouts) rollouts.push(rollout);
  }
  return { prompts: [...prompts.values()], rollouts };
}

/** Columns that an import computes; a row that brings its own would lose them, so it is refused. */
const COMPUTED = [
  'rollout_id',
  'prompt_id',
  'group_id',
  'group_index',
  'prompt_ids',
  'response_ids',
  'response_text',
  'behavior_logprobs',
  'sampler',
] as const;

interface TabulatedRow {
  prompt: Prompt;
  group: string;
  rollouts: Rollout[];
}

function tabulate(row: SampledRow, sizeOfGroup: ReadonlyMap<string, number>, place: RowPlace): TabulatedRow {
  const { file, line } = place;
  const carried = [row.kept, ...row.samples.map((sample) => sample.kept ?? {})];
  const clash = COMPUTED.find((column) => carried.some((kept) => kept[column] !== undefined));
  if (clash !== undefined) {
    throw dataError(file, line, clash, 'is a column of the rollouts table; a row of a dump cannot carry it');
  }
  const prompt = promptOf(row);
  const iteration = row.iteration ?? row.kept.iteration ?? 0;
  const sampler = { engine: 'imported', model: 'unknown', ...present(row.sampler) };
  const { seed: _seed, ...settings } = sampler as Record<string, unknown>;
  const group = row.group ?? contentId({ prompt_id: prompt.prompt_id, iteration, sampler: settings });
  const size = sizeOfGroup.get(group) ?? 0;
  const rollouts = row.samples.map((sample, position) => {
    const identity = {
      prompt_id: prompt.prompt_id,
      group_id: group,
      group_index: size + position,
      response: sample.text,
    };
    const { response: _text, ...ids } = identity;
    const rollout = {
      ...row.kept,
      ...sample.kept,
      iteration,
      rollout_id: contentId(identity),
      ...ids,
      response_text: sample.text,
      sampler,
      ...tokensOf(sample, row, place),
    };
    return validateRow(rollout, Rollout, file, line);
  });
  return { prompt, group, rollouts };
}

function promptOf(row: SampledRow): Prompt {
  return {
    prompt_id: contentId({ messages: row.messages, ground_truth: row.goldAnswer }),
    messages: row.messages,
    data_source: row.dataSource ?? null,
    reward_model: { style: 'math', ground_truth: row.goldAnswer },
  };
}

function tokensOf(sample: Sample, row: SampledRow, { file, line, options }: RowPlace): Partial<Rollout> {
  const { ids, logprobs, fields } = sample;
  const tokens = present({
    prompt_ids: sample.promptIds,
    response_ids: ids,
    finish_reason: sample.finishReason,
  }) as Partial<Rollout>;
  if (logprobs == null) return tokens;
  const kind = logprobKindOf(
    { stated: row.statedKind, settings: row.sampler },
    options.logprobKind,
    file,
    line,
  );
  // Without ids nothing says which tokens they belong to; they are kept, out of the way of the loss.
  if (ids == null) return { ...tokens, logprobs_without_ids: logprobs, logprob_kind: kind };
  if (ids.length !== logprobs.length) {
    const problem = `has ${logprobs.length} entries, ${fields.ids} has ${ids.length}`;
    throw dataError(file, line, fields.logprobs, problem);
  }
  return { ...tokens, behavior_logprobs: [...logprobs], logprob_kind: kind };
}

/** The fields that hold something. */
export function present(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  );
}
