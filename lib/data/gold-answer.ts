import { dataError } from '../errors.ts';
import type { RowPlace } from './collect-samples.ts';
import type { Prompt } from './records.ts';

/**
 * A row's gold answer: the column that the options name, else the first of the format's own columns that holds one,
 * else the options' map from the prompt's text. `column` is the one that was read. Throws ERR_LAPIDARY_DATA where none does.
 */
export function goldAnswerOf(
  row: Readonly<Record<string, unknown>>,
  columns: readonly string[],
  messages: Prompt['messages'],
  { file, line, options }: RowPlace,
): { goldAnswer: string; column: string } {
  const named = options.answerColumn === undefined ? columns : [options.answerColumn];
  const column = named.find((name) => row[name] !== undefined && row[name] !== null);
  const answer = column === undefined ? options.answers?.get(messages.at(-1)!.content) : row[column];
  const field = column ?? named[0]!;
  if (answer === undefined) {
    const problem = `is missing (looked for ${named.join(', ')}); name its column with the option answerColumn (answer_column in a run's [data]), or give the option answers, a map from prompt to answer`;
    throw dataError(file, line, field, problem);
  }
  const text = typeof answer === 'number' || typeof answer === 'string' ? String(answer) : '';
  if (text.trim() === '') {
    throw dataError(file, line, field, `is ${JSON.stringify(answer)}; expected a text or a number`);
  }
  return { goldAnswer: text, column: field };
}

/** The row without the columns that were read. */
export function withoutColumns(
  row: Readonly<Record<string, unknown>>,
  columns: Iterable<string>,
): Record<string, unknown> {
  const rest = { ...row };
  for (const column of columns) delete rest[column];
  return rest;
}
