import { z } from 'zod';
import { dataError, LapidaryError } from '../errors.ts';
import { messagesOf } from './chat-prompt.ts';
import { collectDump, type DumpFormat, type ImportOptions, type RowPlace } from './collect-samples.ts';
import { goldAnswerOf } from './gold-answer.ts';
import { collectFlat, FlatRow, type RolloutSet } from './import-flat.ts';
import { groupedFormat } from './import-grouped.ts';
import { nemoRlFormat } from './import-nemo-rl.ts';
import { openaiFormat } from './import-openai.ts';
import { trlFormat } from './import-trl.ts';
import { verlFormat } from './import-verl.ts';
import type { JsonlRow } from './jsonl.ts';
import { logprobKindOf } from './logprob-kind.ts';
import { readParquet } from './parquet.ts';
import { validateRow } from './parse-row.ts';
import { attempt, type OnBadRow, readRows } from './read-rows.ts';

export type RolloutFormat = 'flat' | 'grouped' | 'openai' | 'trl' | 'verl' | 'nemo-rl';

export interface ImportRolloutsOptions extends ImportOptions {
  /** 'auto', the default, goes by the fields of the first row. */
  format?: 'auto' | RolloutFormat;
}

type AnyRow = Record<string, unknown>;
const AnyRow = z.looseObject({});

const has = (row: AnyRow, ...fields: string[]) => fields.every((field) => row[field] != null);

/** What tells each format from the others, in fields of a row. */
const SIGNS: Readonly<Record<RolloutFormat, { fields: string; holds: (row: AnyRow) => boolean }>> = {
  flat: {
    fields: 'prompt, response (a text)',
    holds: (row) => has(row, 'prompt', 'response') && typeof row.response !== 'object',
  },
  grouped: { fields: 'prompt, responses', holds: (row) => has(row, 'prompt', 'responses') },
  openai: {
    fields: 'choices, or response.choices',
    holds: (row) => has(row, 'choices') || (typeof row.response === 'object' && row.response !== null),
  },
  trl: { fields: 'prompt, completion', holds: (row) => has(row, 'prompt', 'completion') },
  verl: { fields: 'input, output', holds: (row) => has(row, 'input', 'output') },
  'nemo-rl': {
    fields: 'token_ids, token_loss_mask',
    holds: (row) => has(row, 'token_ids', 'token_loss_mask'),
  },
};
const FORMATS = Object.keys(SIGNS) as RolloutFormat[];

/**
 * Reads stored rollouts of any known format. Malformed rows throw ERR_LAPIDARY_DATA naming file, line and field, or go
 * to `onBadRow` and are left out; a file of which no row is left is an error.
 */
export async function importRollouts(path: string, options: ImportRolloutsOptions = {}): Promise<RolloutSet> {
  const { format = 'auto', ...rest } = options;
  if (format !== 'auto' && !FORMATS.includes(format)) {
    const problem = `importRollouts: format: is ${JSON.stringify(format)}; expected one of auto, ${FORMATS.join(', ')}`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'format' });
  }
  const found = format === 'auto' ? await formatOf(path, rest.onBadRow !== undefined) : format;
  const set = await collectRows(rowsOf(path, rest.onBadRow), path, found, rest);
  if (set.rollouts.length === 0) throw dataError(path, 1, 'row', `no row could be read as ${found}`);
  return set;
}

/** JSON Lines, or Parquet by the file's extension. */
function rowsOf(path: string, onBadRow: OnBadRow | undefined): AsyncIterable<JsonlRow<AnyRow>> {
  if (!path.endsWith('.parquet')) return readRows(path, AnyRow, onBadRow);
  return readParquet(path, AnyRow, onBadRow === undefined ? {} : { onBadRow });
}

/** The same over rows that were read elsewhere. */
export function collectRows(
  rows: AsyncIterable<JsonlRow<AnyRow>>,
  file: string,
  format: RolloutFormat,
  options: ImportOptions = {},
): Promise<RolloutSet> {
  const dump = <Row>(known: DumpFormat<Row>) =>
    collectDump(
      checkedRows(rows, options.onBadRow, (row, line) => validateRow(row, known.schema, file, line)),
      file,
      known,
      options,
    );
  if (format === 'grouped') return dump(groupedFormat);
  if (format === 'openai') return dump(openaiFormat);
  if (format === 'trl') return dump(trlFormat);
  if (format === 'verl') return dump(verlFormat);
  if (format === 'nemo-rl') return dump(nemoRlFormat);
  const flat = checkedRows(rows, options.onBadRow, (row, line) => flatRow(row, { file, line, options }));
  return collectFlat(flat, file, options);
}

async function* checkedRows<Row>(
  rows: AsyncIterable<JsonlRow<AnyRow>>,
  onBadRow: OnBadRow | undefined,
  check: (row: AnyRow, line: number) => Row,
): AsyncGenerator<JsonlRow<Row>> {
  for await (const { row, line } of rows) {
    const checked = attempt(() => check(row, line), onBadRow);
    if (checked !== undefined) yield { row: checked, line };
  }
}

/** A flat row with what the options say filled in: the gold answer, and what its log-probs are. */
function flatRow(row: AnyRow, place: RowPlace): FlatRow {
  const { file, line, options } = place;
  const filled = { ...row };
  if (typeof row.prompt === 'string' && (row.gold_answer == null || options.answerColumn !== undefined)) {
    const gold = goldAnswerOf(row, ['gold_answer', 'answer'], messagesOf(row.prompt), place);
    delete filled[gold.column];
    filled.gold_answer = gold.goldAnswer;
  }
  if (row.behavior_logprobs != null && row.logprob_kind == null) {
    filled.logprob_kind = logprobKindOf({ settings: row }, options.logprobKind, file, line);
  }
  return validateRow(filled, FlatRow, file, line);
}

/** Goes by the first row; where malformed rows may be left out, by the first that is of a known form. */
async function formatOf(path: string, mayLeaveOut: boolean): Promise<RolloutFormat> {
  let first: LapidaryError | undefined;
  for await (const { row, line } of rowsOf(path, mayLeaveOut ? () => {} : undefined)) {
    const fitting = FORMATS.filter((format) => SIGNS[format].holds(row));
    if (fitting.length === 1) return fitting[0]!;
    const names = Object.keys(row).join(', ') || 'none';
    const known = FORMATS.map((format) => `${format} (${SIGNS[format].fields})`).join('; ');
    const doubt = fitting.length === 0 ? 'no known format has' : `${fitting.join(' and ')} may all have`;
    const problem = `${doubt} these fields: ${names}. Known are ${known}. Give the option format (in a run's [data], too)`;
    first ??= dataError(path, line, 'row', problem);
    if (!mayLeaveOut) throw first;
  }
  throw first ?? dataError(path, 1, 'row', 'no line of the file is a JSON object');
}
