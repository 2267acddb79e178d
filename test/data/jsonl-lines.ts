import { writeFileSync } from 'node:fs';

/** Writes rows as JSON Lines, a string row as it is, and gives the path back. */
export function writeLines(path: string, rows: readonly (object | string)[], newline = '\n'): string {
  const text = rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row)));
  writeFileSync(path, text.join(newline) + newline);
  return path;
}
