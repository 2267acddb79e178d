import { extname } from 'node:path';
import type { z } from 'zod';
import { LapidaryError } from '../errors.ts';
import { type JsonlRow, readJsonl, writeJsonlAtomic } from './jsonl.ts';
import { readParquet, writeParquetAtomic } from './parquet.ts';

/**
 * The rows of a table in either form, told by the file's extension: .jsonl or .parquet, ERR_LAPIDARY_ARGUMENT for any
 * other. `line` counts from 1: lines of a JSON Lines file, rows of a Parquet file. Errors as readJsonl, readParquet.
 */
export async function* readRows<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<JsonlRow<T>> {
  yield* formOf(path) === '.parquet' ? readParquet(path, schema) : readJsonl(path, schema);
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
