import { LapidaryError } from '../errors.ts';

/** Argument checks with one wording: which argument, what it expected, what it got. */
export function fail(argument: string, expected: string, got: string): never {
  throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', `${argument}: expected ${expected}, got ${got}`, {
    argument,
  });
}

/** Rejects misspelt options: every key must be one of `known`. */
export function checkKeys(argument: string, value: object, known: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) fail(`${argument}.${key}`, `one of ${known.join(', ')}`, 'an unknown option');
  }
}

/** A short name of any value for an error message. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value !== 'object') return `${typeof value} ${String(value)}`;
  return value.constructor?.name ?? 'an object';
}
