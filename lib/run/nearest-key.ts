import { z } from 'zod';

/** The keys that the schema knows at `path`, following the branch of a union that the values there choose. */
export function knownKeys(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  const here = objectOf(schema, value);
  if (path.length === 0) return here === null ? [] : Object.keys(here.shape);
  const [key, ...rest] = path;
  const inner = (value as Record<PropertyKey, unknown> | undefined)?.[key!];
  const next = typeof key === 'number' ? elementOf(schema) : here?.shape[String(key)];
  return next === undefined || next === null ? [] : knownKeys(next as z.ZodType, rest, inner);
}

/** Takes off what only adds defaults: optional, default, prefault. */
function bare(schema: z.ZodType): z.ZodType {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault) {
    inner = inner.unwrap() as z.ZodType;
  }
  return inner;
}

function elementOf(schema: z.ZodType): z.ZodType | null {
  const inner = bare(schema);
  return inner instanceof z.ZodArray ? (inner.element as z.ZodType) : null;
}

function objectOf(schema: z.ZodType, value: unknown): z.ZodObject | null {
  const inner = bare(schema);
  if (inner instanceof z.ZodObject) return inner;
  if (!(inner instanceof z.ZodDiscriminatedUnion)) return null;
  const branches = inner.options as z.ZodObject[];
  const discriminator = inner.def.discriminator;
  const chosen = (value as Record<string, unknown> | undefined)?.[discriminator];
  return branches.find((branch) => branch.shape[discriminator]?.safeParse(chosen).success) ?? null;
}

/** The known name that is fewest edits away, where it is near enough to be meant. */
export function nearest(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(name.length / 2)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
function editDistance(a: string, b: string): number {
  const rows = Array.from({ length: a.length + 1 }, (_, i) => [i, ...new Array<number>(b.length).fill(0)]);
  for (let j = 0; j <= b.length; j++) rows[0]![j] = j;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(rows[i - 1]![j]! + 1, rows[i]![j - 1]! + 1, rows[i - 1]![j - 1]! + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, rows[i - 2]![j - 2]! + 1);
      rows[i]![j] = least;
    }
  }
  return rows[a.length]![b.length]!;
}
