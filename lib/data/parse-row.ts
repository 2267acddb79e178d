import type { z } from 'zod';
import { dataError } from '../errors.ts';
import { describeIssue, fieldPath } from './describe-issue.ts';

/** One line of a JSONL file as a record, or an error that names file, line and field. */
export function parseRow<T>(text: string, schema: z.ZodType<T>, file: string, line: number): T {
  return validateRow(parseJson(text, file, line), schema, file, line);
}

export function validateRow<T>(value: unknown, schema: z.ZodType<T>, file: string, line: number): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { field, problem } = describeIssue(result.error, value);
  throw dataError(file, line, field, problem);
}

function parseJson(text: string, file: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const bad = findNonFinite(text);
    if (bad !== null) {
      throw dataError(
        file,
        line,
        bad.field,
        `is ${bad.literal}, which is no number in JSON; expected a finite number`,
      );
    }
    const error = dataError(file, line, 'row', `is not valid JSON: ${(cause as Error).message}`);
    error.cause = cause;
    throw error;
  }
}

const STRING_OR_NON_FINITE = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/g;
const SENTINEL = '\u0000non-finite:';

/**
 * Python's json.dumps writes NaN and Infinity bare, which is not JSON. They are the likeliest defect of a log-prob
 * column, so the field is named instead of a character position.
 */
function findNonFinite(text: string): { field: string; literal: string } | null {
  let found = false;
  const marked = text.replace(STRING_OR_NON_FINITE, (match) => {
    if (match.startsWith('"')) return match;
    found = true;
    return JSON.stringify(SENTINEL + match);
  });
  if (!found) return null;
  try {
    return findSentinel(JSON.parse(marked), []);
  } catch {
    return null; // broken in other ways too: the parser's own message says more
  }
}

function findSentinel(value: unknown, path: PropertyKey[]): { field: string; literal: string } | null {
  if (typeof value === 'string' && value.startsWith(SENTINEL)) {
    return { field: fieldPath(path) || 'row', literal: value.slice(SENTINEL.length) };
  }
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, field] of Object.entries(value)) {
    const hit = findSentinel(field, [...path, Array.isArray(value) ? Number(key) : key]);
    if (hit !== null) return hit;
  }
  return null;
}
