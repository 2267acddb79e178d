import type { z } from 'zod';
import { dataError, LapidaryError } from '../errors.ts';
import type { JsonlRow } from './jsonl.ts';
import { parseRow } from './parse-row.ts';
import { readLines } from './read-lines.ts';

/** Told of each row that is left out; the error names file, line and field. */
export type OnBadRow = (problem: LapidaryError) => void;

/**
 * As readJsonl, but a malformed line goes to `onBadRow` and reading goes on; without `onBadRow` the first one is
 * thrown. A file that cannot be read (ERR_LAPIDARY_IO) or has no rows at all is an error either way.
 */
export async function* readRows<T>(
  path: string,
  schema: z.ZodType<T>,
  onBadRow?: OnBadRow,
): AsyncGenerator<JsonlRow<T>> {
  let rows = 0;
  for await (const { text, line } of readLines(path)) {
    if (text.trim() === '') continue;
    rows++;
    const row = attempt(() => parseRow(text, schema, path, line), onBadRow);
    if (row !== undefined) yield { row, line };
  }
  if (rows === 0) throw dataError(path, 1, 'row', 'file has no rows');
}

/** What `work` gives, or undefined where its row is malformed and `onBadRow` took note. Other errors pass through. */
export function attempt<T>(work: () => T, onBadRow: OnBadRow | undefined): T | undefined {
  try {
    return work();
  } catch (error) {
    if (onBadRow === undefined || !LapidaryError.isInstance(error) || error.code !== 'ERR_LAPIDARY_DATA') {
      throw error;
    }
    onBadRow(error);
    return undefined;
  }
}
