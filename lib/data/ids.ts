import { createHash } from 'node:crypto';
import { LapidaryError } from '../errors.ts';

/**
 * Lower-case hex SHA-256 of the canonical JSON of `value`. Equal content gives an equal id on every machine,
 * whatever the order in which an object's keys were written; a key that holds undefined counts as absent.
 */
export function contentId(value: unknown): string {
  return createHash('sha256').update(canonicalJson(value), 'utf8').digest('hex');
}

/** JSON with sorted keys and no spaces. Refuses what JSON would silently turn into null. */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw notCanonical(`the number ${value}`);
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object') throw notCanonical(`a ${typeof value}`);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    // By UTF-16 code units, as RFC 8785 does: a locale's order would differ between machines.
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

function notCanonical(what: string): LapidaryError {
  return new LapidaryError(
    'ERR_LAPIDARY_ARGUMENT',
    `contentId: value: holds ${what}, which JSON cannot express`,
    {
      argument: 'value',
    },
  );
}
