import { crc32 } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, type ColumnSource, ParquetWriter } from 'hyparquet-writer';
import type { z } from 'zod';
import { dataError, LapidaryError } from '../errors.ts';
import { nonFiniteField } from './non-finite-field.ts';
import { ColumnSurvey, type ParquetColumn } from './parquet-columns.ts';
import { chunkRange, MARK, sealMetadata } from './parquet-metadata.ts';
import { RowSpool } from './parquet-spool.ts';
import { validateRow } from './parse-row.ts';
import { writeChunksAtomic, writeError } from './write-atomic.ts';

export { type ReadParquetOptions, readParquet } from './read-parquet.ts';

export interface WriteParquetOptions {
  /** Rows of a row group, the unit that is held in memory when writing and reading. Default 4096. */
  rowsPerGroup?: number;
}

type Row = Record<string, unknown>;

/**
 * Writes rows as a Parquet file (snappy) to a temporary name, syncs and renames. Resolves to the number of rows. Every
 * column is optional; strings, numbers, booleans and lists of numbers are typed (see parquet-columns.ts), everything
 * else, columns beyond the schema included, is JSON text, named in the key-value metadata "lapidary".
 *
 * Null and an absent key both mean "not computed" and are one missing value. They come back as they were unless a
 * typed column holds both: then as null. In a column beyond the schema they stay apart. Key order is the file's.
 *
 * ERR_LAPIDARY_DATA names the row that breaks the schema, ERR_LAPIDARY_IO a file that cannot be written; either way
 * the old file is as it was. Rows pass through a second temporary file, since the last may widen a column of the first.
 */
export async function writeParquetAtomic<T extends object>(
  path: string,
  schema: z.ZodType<T>,
  rows: Iterable<T> | AsyncIterable<T>,
  { rowsPerGroup = 4096 }: WriteParquetOptions = {},
): Promise<number> {
  if (!Number.isSafeInteger(rowsPerGroup) || rowsPerGroup < 1) {
    const problem = `writeParquetAtomic: rowsPerGroup: expected an integer of at least 1, got ${rowsPerGroup}`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'rowsPerGroup' });
  }
  const survey = new ColumnSurvey(schema);
  try {
    const spool = await RowSpool.open(`${path}.tmp-${process.pid}-rows`);
    try {
      const count = await putAside(spool, survey, rows, { path, schema, rowsPerGroup });
      await writeChunksAtomic(path, encode(spool, survey.columns()));
      return count;
    } finally {
      await spool.remove();
    }
  } catch (cause) {
    throw writeError(path, cause);
  }
}

async function putAside<T extends object>(
  spool: RowSpool,
  survey: ColumnSurvey,
  rows: Iterable<T> | AsyncIterable<T>,
  { path, schema, rowsPerGroup }: { path: string; schema: z.ZodType<T>; rowsPerGroup: number },
): Promise<number> {
  let group: object[] = [];
  let count = 0;
  for await (const row of rows) {
    count++;
    validateRow(row, schema, path, count);
    const bad = nonFiniteField(row);
    if (bad !== null) throw dataError(path, count, bad.field, `is ${bad.value}, expected a finite number`);
    group.push(survey.take(row, (field, problem) => dataError(path, count, field, problem)));
    if (group.length < rowsPerGroup) continue;
    await spool.append(group);
    group = [];
  }
  if (group.length > 0) await spool.append(group);
  return count;
}

/** The bytes of the file, a row group at a time. */
async function* encode(spool: RowSpool, columns: ParquetColumn[]): AsyncGenerator<Uint8Array> {
  const writer = new ByteWriter();
  const file = new ParquetWriter({ writer, schema: schemaOf(columns), createdBy: MARK });
  const checksums: number[][] = [];
  for await (const rows of spool.groups()) {
    const base = writer.offset - writer.index;
    file.write({ columnData: columns.map((column) => columnData(column, rows)), rowGroupSize: rows.length });
    const bytes = writer.getBytes();
    checksums.push(
      file.row_groups.at(-1)!.columns.map((chunk) => {
        const { start, size } = chunkRange(chunk);
        return crc32(bytes.subarray(start - base, start - base + size));
      }),
    );
    yield bytes;
    writer.index = 0;
  }
  const renamed = columns.filter(({ name, stored }) => stored !== name);
  const table = {
    version: 1 as const,
    json: columns.filter(({ type }) => type === 'JSON').map(({ name }) => name),
    absent: columns.filter(({ absent }) => absent).map(({ name }) => name),
    ...(renamed.length === 0
      ? {}
      : { names: Object.fromEntries(renamed.map(({ stored, name }) => [stored, name])) }),
    checksums,
  };
  file.kvMetadata = [
    {
      key: MARK,
      value: JSON.stringify(sealMetadata(table, { schema: file.schema, row_groups: file.row_groups })),
    },
  ];
  file.finish();
  yield writer.getBytes();
}

function schemaOf(columns: ParquetColumn[]): SchemaElement[] {
  const fields = columns.flatMap((column): SchemaElement[] => {
    const { stored: name, list } = column;
    if (!list) return [{ name, repetition_type: 'OPTIONAL', ...elementType(column) }];
    return [
      { name, repetition_type: 'OPTIONAL', converted_type: 'LIST', num_children: 1 },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', repetition_type: 'REQUIRED', ...elementType(column) },
    ];
  });
  return [{ name: MARK, num_children: columns.length }, ...fields];
}

function elementType({ type }: ParquetColumn): Pick<SchemaElement, 'type' | 'converted_type'> {
  // JSON text is marked as UTF-8: a reader that parses "JSON" columns by itself would hide which text was stored.
  return type === 'STRING' || type === 'JSON' ? { type: 'BYTE_ARRAY', converted_type: 'UTF8' } : { type };
}

function columnData(
  { name, stored, type, list, text, dictionary }: ParquetColumn,
  rows: Row[],
): ColumnSource {
  const encode = (value: unknown): unknown => {
    if (type === 'JSON') return text ? value : JSON.stringify(value);
    if (type !== 'INT64' || value === null) return value;
    return list ? (value as number[]).map(BigInt) : BigInt(value as number);
  };
  const data = rows.map((row) => {
    const value = Object.hasOwn(row, name) ? row[name] : undefined;
    return value === undefined ? undefined : encode(value);
  });
  return { name: stored, data, ...(dictionary ? {} : { encoding: 'PLAIN' as const }) };
}
