import type { z } from 'zod';
import { dataError } from '../errors.ts';
import { nonFiniteField } from './non-finite-field.ts';
import { parseRow } from './parse-row.ts';
import { readLines } from './read-lines.ts';
import { writeChunksAtomic } from './write-atomic.ts';

export interface JsonlRow<T> {
  row: T;
  /** Counts from 1, blank lines included. */
  line: number;
}

/**
 * The rows of a JSON Lines file, read as a stream: memory holds one row, whatever the file's size. Blank lines are
 * skipped. Every defect is ERR_LAPIDARY_DATA as "FILE: line N: FIELD: what is wrong", a file without rows included;
 * a file that cannot be read is ERR_LAPIDARY_IO.
 */
export async function* readJsonl<T>(path: string, schema: z.ZodType<T>): AsyncGenerator<JsonlRow<T>> {
  let rows = 0;
  for await (const { text, line } of readLines(path)) {
    if (text.trim() === '') continue;
    rows++;
    yield { row: parseRow(text, schema, path, line), line };
  }
  if (rows === 0) throw dataError(path, 1, 'row', 'file has no rows');
}

/** All rows of a JSON Lines file, in file order. */
export async function readAllJsonl<T>(path: string, schema: z.ZodType<T>): Promise<T[]> {
  const rows: T[] = [];
  for await (const { row } of readJsonl(path, schema)) rows.push(row);
  return rows;
}

/**
 * Writes rows to a temporary name, syncs and renames: a reader sees the old file or the whole new one. Resolves to
 * the number of rows. A number that JSON cannot express is an error: it would be read back as null, "not computed".
 */
export async function writeJsonlAtomic(
  path: string,
  rows: Iterable<object> | AsyncIterable<object>,
): Promise<number> {
  let count = 0;
  async function* lines(): AsyncGenerator<string> {
    for await (const row of rows) {
      count++;
      yield `${serialize(row, path, count)}\n`;
    }
  }
  await writeChunksAtomic(path, lines());
  return count;
}

function serialize(row: object, path: string, line: number): string {
  const text = JSON.stringify(row);
  // JSON.stringify turns NaN and the infinities into null; only a row with a null can hold one.
  const bad = text.includes('null') ? nonFiniteField(row) : null;
  if (bad !== null) throw dataError(path, line, bad.field, `is ${bad.value}, which JSON cannot express`);
  return text;
}
