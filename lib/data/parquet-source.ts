import { type FileHandle, open } from 'node:fs/promises';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync } from 'hyparquet';
import { LapidaryError } from '../errors.ts';
import { chunkRange, type TableMetadata, tableMetadata } from './parquet-metadata.ts';
import { readExactly } from './parquet-spool.ts';

/** A column's own name, and that which the file has for it. */
export interface StoredColumn {
  name: string;
  stored: string;
}

/** An open file with its footer read and checked. */
export interface ParquetSource {
  path: string;
  file: FileHandle;
  buffer: AsyncBuffer;
  metadata: FileMetaData;
  /** Null where another program wrote the file. */
  table: TableMetadata | null;
}

export async function openFile(path: string): Promise<FileHandle> {
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
export async function explain<R>(path: string, read: () => Promise<R>): Promise<R> {
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

export async function openSource(path: string, file: FileHandle): Promise<ParquetSource> {
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

/** The columns to read, `wanted` or all, in order. */
export function columnsOf(
  { path, metadata, table }: ParquetSource,
  wanted: readonly string[] | undefined,
): StoredColumn[] {
  const columns = new Map<string, StoredColumn>();
  for (let at = 1; at < metadata.schema.length; at += descendants(metadata, at)) {
    const stored = metadata.schema[at]!.name;
    const name = table?.names?.[stored] ?? stored;
    columns.set(name, { name, stored });
  }
  if (wanted === undefined) return [...columns.values()];
  return wanted.map((name) => {
    const column = columns.get(name);
    if (column !== undefined) return column;
    const problem = `has no such column; there are ${[...columns.keys()].join(', ')}`;
    throw new LapidaryError('ERR_LAPIDARY_DATA', `${path}: ${name}: ${problem}`, { argument: name });
  });
}

/** Number of schema elements of the column at `at`, itself included: the schema lists the tree depth first. */
function descendants({ schema }: FileMetaData, at: number): number {
  let end = at + 1;
  for (let open = schema[at]?.num_children ?? 0; open > 0 && end < schema.length; end++) {
    open += (schema[end]!.num_children ?? 0) - 1;
  }
  return end - at;
}
