import { extname } from 'node:path';
import type { z } from 'zod';
import { LapidaryError } from '../errors.ts';
import { type JsonlRow, writeJsonlAtomic } from './jsonl.ts';
import { readParquet, writeParquetAtomic } from './parquet.ts';
import { type OnBadRow, readRows as readJsonlRows } from './read-rows.ts';

/**
 * The rows of a table in either form, told by the file's extension: .jsonl or .parquet, ERR_LAPIDARY_ARGUMENT for any
 * other. `line` counts from 1: lines of a JSON Lines file, rows of a Parquet file. Errors as readJsonl, readParquet;
 * with `onBadRow` a row that breaks the schema goes there instead, and is left out.
 */
export async function* readRows<T>(
  path: string,
  schema: z.ZodType<T>,
  onBadRow?: OnBadRow,
): AsyncGenerator<JsonlRow<T>> {
  const options = onBadRow === undefined ? {} : { onBadRow };
  yield* formOf(path) === '.parquet'
    ? readParquet(path, schema, options)
    : readJsonlRows(path, schema, onBadRow);
}

/** Writes a table in the form that the extension names; resolves to the number of rows. */
export async function writeRowsAtomic<T extends object>(
  path: string,
  schema: z.ZodType<T>,
  rows: Iterable<T> | AsyncIterable<T>,
): Promise<number> {
  return formOf(path) === '.parquet' ? writeParquetAtomic(path, schema, rows) : writeJsonlAtomic(path, rows);
}

function formOf(path: string): '.jsonl' | '.parquet' {
  const extension = extname(path).toLowerCase();
  if (extension === '.jsonl' || extension === '.parquet') return extension;
  throw new LapidaryError(
    'ERR_LAPIDARY_ARGUMENT',
    `${path}: path: extension is ${extension === '' ? 'missing' : `"${extension}"`}; expected .jsonl or .parquet`,
    { argument: 'path' },
  );
}
