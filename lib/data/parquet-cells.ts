import { z } from 'zod';
import { dataError } from '../errors.ts';
import { kindsOfSchema } from './parquet-columns.ts';
import type { TableMetadata } from './parquet-metadata.ts';

type DecodeRow = (cells: readonly unknown[], file: string, line: number) => Record<string, unknown>;

/** Makes a record of a row's cells, in the order of `names`. */
export function cellDecoders(
  names: readonly string[],
  schema: z.ZodType,
  table: TableMetadata | null,
): DecodeRow {
  const json = new Set(table?.json);
  const kinds = kindsOfSchema(schema);
  const columns = names.map((name) => ({
    name,
    json: json.has(name),
    // Another program may store a nested column as text without saying so.
    jsonByKind: table === null && kinds.get(name) === 'json',
    absent: table === null ? refusesNull(schema, name) : table.absent.includes(name),
  }));
  return (cells, file, line) => {
    const fields: [string, unknown][] = [];
    for (const [index, column] of columns.entries()) {
      const cell = cells[index] ?? null;
      if (cell === null && (column.json || column.absent)) continue;
      fields.push([column.name, decodeCell(cell, column, file, line)]);
    }
    return Object.fromEntries(fields);
  };
}

interface CellColumn {
  name: string;
  json: boolean;
  jsonByKind: boolean;
}

function decodeCell(
  cell: unknown,
  { name, json, jsonByKind }: CellColumn,
  file: string,
  line: number,
): unknown {
  if (typeof cell !== 'string') return plain(cell, (problem) => dataError(file, line, name, problem));
  if (!json && !jsonByKind) return cell;
  try {
    return JSON.parse(cell);
  } catch (cause) {
    if (!json) return cell; // what the schema says of a string stands
    throw dataError(file, line, name, `is not valid JSON: ${(cause as Error).message}`);
  }
}

/** Values as JSON would have them: 64-bit integers as numbers, typed arrays as arrays, times as ISO 8601. */
function plain(value: unknown, fail: (problem: string) => Error): unknown {
  if (typeof value === 'bigint') {
    if (BigInt.asIntN(54, value) !== value)
      throw fail(`is ${value}, beyond the integers that a number holds`);
    return Number(value);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value)) return plain(Array.from(value as unknown as ArrayLike<unknown>), fail);
  if (Array.isArray(value)) return value.map((item) => plain(item, fail));
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field, fail)]));
}

/** A missing value of another program's file is null unless the schema knows the key only as absent. */
function refusesNull(schema: z.ZodType, name: string): boolean {
  const field = schema instanceof z.ZodObject ? (schema.shape as Record<string, z.ZodType>)[name] : undefined;
  return field?.safeParse(null).success === false && field.safeParse(undefined).success;
}
