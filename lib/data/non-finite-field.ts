import { fieldPath } from './describe-issue.ts';

/** The first NaN or infinity anywhere in a record, or null. */
export function nonFiniteField(
  value: unknown,
  path: PropertyKey[] = [],
): { field: string; value: number } | null {
  if (typeof value === 'number') return Number.isFinite(value) ? null : { field: fieldPath(path), value };
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, field] of Object.entries(value)) {
    if (typeof field !== 'object' && typeof field !== 'number') continue;
    const hit = nonFiniteField(field, [...path, Array.isArray(value) ? Number(key) : key]);
    if (hit !== null) return hit;
  }
  return null;
}
