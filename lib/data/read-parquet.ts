import { type FileHandle, open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import type { z } from 'zod';
import { dataError, LapidaryError } from '../errors.ts';
import type { JsonlRow } from './jsonl.ts';
import { cellDecoders, parsers } from './parquet-cells.ts';
import { chunkRange, type TableMetadata, tableMetadata } from './parquet-metadata.ts';
import { readExactly } from './parquet-spool.ts';
import { validateRow } from './parse-row.ts';

export interface ReadParquetOptions {
  /** Only these columns are read; the schema must ask for no other. Default: all. */
  columns?: readonly string[];
}

/** An open file with its footer read and checked. */
interface Source {
  path: string;
  file: FileHandle;
  buffer: AsyncBuffer;
  metadata: FileMetaData;
  table: TableMetadata | null;
}

/**
 * The rows of a Parquet file, row group by row group: memory holds one group. `line` is the row's number, from 1.
 * Reads what writeParquetAtomic wrote, with its checksums, and files of other programs (snappy, gzip, brotli, lz4,
 * zstd; structs and lists in place of JSON text), whose damaged pages are noticed only where they cannot be decoded
 * or break the schema. Every defect is ERR_LAPIDARY_DATA with the file named, as "FILE: line ROW: FIELD: …" where a
 * row is at fault; a file without rows is one. A file that cannot be read is ERR_LAPIDARY_IO.
 */
export async function* readParquet<T>(
  path: string,
  schema: z.ZodType<T>,
  options: ReadParquetOptions = {},
): AsyncGenerator<JsonlRow<T>> {
  const file = await openFile(path);
  try {
    const source = await explain(path, () => openSource(path, file));
    const names = columnNames(source, options.columns);
    const decode = cellDecoders(names, schema, source.table);
    let line = 0;
    for (let group = 0; group < source.metadata.row_groups.length; group++) {
      for (const cells of await explain(path, () => readGroup(source, group, line, names))) {
        line++;
        yield { row: validateRow(decode(cells, path, line), schema, path, line), line };
      }
    }
    if (line === 0) throw dataError(path, 1, 'row', 'file has no rows');
  } finally {
    await file.close();
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, 'r');
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
  throw new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be read: is not a file`);
}

/** Turns whatever the decoder throws at a damaged file into one line that names the file. */
async function explain<R>(path: string, read: () => Promise<R>): Promise<R> {
  try {
    return await read();
  } catch (cause) {
    if (LapidaryError.isInstance(cause)) throw cause;
    const message = (cause as Error).message.replace(/\s+/g, ' ').slice(0, 200);
    const code = typeof (cause as NodeJS.ErrnoException).syscall === 'string' ? 'IO' : 'DATA';
    throw new LapidaryError(`ERR_LAPIDARY_${code}`, `${path}: cannot be read as Parquet: ${message}`, {
      cause,
    });
  }
}

const MAGIC = 'PAR1';
/** Magic, footer length and magic again. */
const SMALLEST = 12;

async function openSource(path: string, file: FileHandle): Promise<Source> {
  const { size } = await file.stat();
  if (size === 0) throw new Error('file is empty');
  const head = (await readExactly(file, 0, Math.min(4, size))).toString('latin1');
  if (head !== MAGIC) throw new Error(`is not a Parquet file: it does not begin with ${MAGIC}`);
  const tail = size < SMALLEST ? '' : (await readExactly(file, size - 4, 4)).toString('latin1');
  if (tail !== MAGIC) throw new Error(`file is truncated: it does not end with ${MAGIC}`);
  const buffer: AsyncBuffer = {
    byteLength: size,
    slice: async (start, end = size) => {
      if (start < 0 || end > size) throw new RangeError(`bytes ${start} to ${end} lie outside the file`);
      return (await readExactly(file, start, end - start)).buffer as ArrayBuffer;
    },
  };
  const metadata = await parquetMetadataAsync(buffer, { geoparquet: false });
  const table = tableMetadata(metadata);
  checkFooter(metadata, table, size);
  return { path, file, buffer, metadata, table };
}

/** A damaged footer may still parse; its counts and offsets must not drive allocations before they agree. */
function checkFooter(
  { row_groups: groups, num_rows }: FileMetaData,
  table: TableMetadata | null,
  size: number,
) {
  let rows = 0n;
  for (const group of groups) {
    rows += group.num_rows;
    for (const chunk of group.columns) {
      const { start, size: length } = chunkRange(chunk);
      const inside = start >= 4 && length >= 0 && start + length <= size;
      if (!inside) throw new Error(`footer is damaged: a column chunk lies outside the file`);
      // A list without elements still counts one value, so a column has at least as many values as rows.
      if (chunk.meta_data!.num_values < group.num_rows) {
        throw new Error('footer is damaged: a column has fewer values than its row group has rows');
      }
    }
  }
  if (rows !== num_rows) throw new Error(`footer is damaged: row groups hold ${rows} rows of ${num_rows}`);
  if (table !== null && table.checksums.length !== groups.length) {
    throw new Error('footer is damaged: it has not one list of checksums per row group');
  }
}

function columnNames({ path, metadata }: Source, wanted: readonly string[] | undefined): string[] {
  const names: string[] = [];
  for (let at = 1; at < metadata.schema.length; at += descendants(metadata, at)) {
    names.push(metadata.schema[at]!.name);
  }
  const missing = wanted?.find((name) => !names.includes(name));
  if (missing !== undefined) {
    const problem = `has no such column; there are ${names.join(', ')}`;
    throw new LapidaryError('ERR_LAPIDARY_DATA', `${path}: ${missing}: ${problem}`, { argument: missing });
  }
  return wanted === undefined ? names : [...wanted];
}

/** Number of schema elements of the column at `at`, itself included: the schema lists the tree depth first. */
function descendants({ schema }: FileMetaData, at: number): number {
  let end = at + 1;
  for (let open = schema[at]?.num_children ?? 0; open > 0 && end < schema.length; end++) {
    open += (schema[end]!.num_children ?? 0) - 1;
  }
  return end - at;
}

async function readGroup(
  source: Source,
  group: number,
  start: number,
  names: string[],
): Promise<unknown[][]> {
  await verifyChecksums(source, group, new Set(names));
  let rows: unknown[][] = [];
  const count = Number(source.metadata.row_groups[group]!.num_rows);
  await parquetRead({
    file: source.buffer,
    metadata: source.metadata,
    columns: names,
    rowStart: start,
    rowEnd: start + count,
    compressors,
    parsers,
    geoparquet: false,
    rowFormat: 'array',
    onComplete: (read) => {
      rows = read;
    },
  });
  if (rows.length !== count) throw new Error(`row group ${group + 1} has ${rows.length} rows of ${count}`);
  return rows;
}

async function verifyChecksums({ file, metadata, table }: Source, group: number, names: Set<string>) {
  if (table === null) return;
  for (const [index, chunk] of metadata.row_groups[group]!.columns.entries()) {
    const name = chunk.meta_data!.path_in_schema[0]!;
    if (!names.has(name)) continue;
    const { start, size } = chunkRange(chunk);
    if (crc32(await readExactly(file, start, size)) !== table.checksums[group]![index]) {
      throw new Error(`column ${name} of row group ${group + 1} is damaged: its checksum differs`);
    }
  }
}
