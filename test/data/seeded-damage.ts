import type { Random } from '../random.ts';

const JUNK = [null, -1, 0.5, 1e300, '', ' ', 'x', true, [], {}, [null], [[]], { a: 1 }];

/** The value with one of its parts, itself included, replaced or left out. */
export function damaged(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.next() < 0.15) return random.pick(JUNK);
  if (Array.isArray(value)) {
    if (value.length === 0) return random.pick(JUNK);
    const at = random.int(0, value.length - 1);
    if (random.next() < 0.3) return value.toSpliced(at, 1);
    return value.with(at, damaged(value[at], random));
  }
  const keys = Object.keys(value);
  if (keys.length === 0) return random.pick(JUNK);
  const key = random.pick(keys);
  const copy = { ...(value as Record<string, unknown>) };
  if (random.next() < 0.3) delete copy[key];
  else copy[key] = damaged(copy[key], random);
  return copy;
}
