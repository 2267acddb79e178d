import type { z } from 'zod';

/** Field and problem of the first thing that is wrong with a row, in words for whoever wrote the file. */
export interface RowProblem {
  field: string;
  problem: string;
}

type Issue = z.core.$ZodIssue;

export function describeIssue(error: z.ZodError, row: unknown): RowProblem {
  const issue = error.issues[0]!;
  const field = fieldPath(issue.path) || 'row';
  const value = valueAt(row, issue.path);
  if (value === undefined && issue.code !== 'custom')
    return { field, problem: `is missing${expectation(issue)}` };
  const given = `, got ${describeValue(value)}`;
  if (issue.code === 'invalid_type' || issue.code === 'invalid_union') {
    return { field, problem: `is of the wrong type${expectation(issue)}${given}` };
  }
  return { field, problem: `${issue.message}${given}` };
}

/** "behavior_logprobs[3]", "sampler.engine". */
export function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else text += text === '' ? String(key) : `.${String(key)}`;
  }
  return text;
}

function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type') return ` (expected ${issue.expected})`;
  if (issue.code !== 'invalid_union') return '';
  const kinds = issue.errors.flatMap((branch) => {
    const first = branch[0];
    if (first?.code === 'invalid_type') return [first.expected as string];
    return first?.code === 'invalid_value' ? first.values.map(String) : [];
  });
  return kinds.length === 0 ? '' : ` (expected ${kinds.join(' or ')})`;
}

function valueAt(row: unknown, path: readonly PropertyKey[]): unknown {
  let value = row;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

function describeValue(value: unknown): string {
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value !== 'string') return String(value);
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
}
