import { crc32 } from 'node:zlib';
import type { AsyncBuffer, FileMetaData } from 'hyparquet';
import type { z } from 'zod';
import { dataError } from '../errors.ts';
import type { JsonlRow } from './jsonl.ts';
import { cellDecoders } from './parquet-cells.ts';
import { chunkRange } from './parquet-metadata.ts';
import { DecoderProcess, type RowRange } from './parquet-process.ts';
import { columnsOf, explain, openFile, openSource, type ParquetSource } from './parquet-source.ts';
import { readExactly } from './parquet-spool.ts';
import { validateRow } from './parse-row.ts';
import { attempt, type OnBadRow } from './read-rows.ts';

export interface ReadParquetOptions {
  /** Only these columns are read; the schema must ask for no other. Default: all. */
  columns?: readonly string[];
  /** For a row group of another program's file, beside a second for each MiB of it. Default 60,000. */
  timeoutMs?: number;
  /** Told of each row that breaks the schema, which is then left out; without it the first one is thrown. */
  onBadRow?: OnBadRow;
}

/**
 * The rows of a Parquet file, row group by row group: memory holds one group. `line` is the row's number, from 1.
 * Reads what writeParquetAtomic wrote, with its checksums, and files of other programs (snappy, gzip, brotli, lz4,
 * zstd; structs and lists in place of JSON text), whose damaged pages are noticed only where they cannot be decoded
 * or break the schema; a process of its own decodes them, since a damaged page can take for ever or all memory. Every
 * defect is ERR_LAPIDARY_DATA with the file named, as "FILE: line ROW: FIELD: …" where a row is at fault; a file
 * without rows is one. A file that cannot be read is ERR_LAPIDARY_IO.
 */
export async function* readParquet<T>(
  path: string,
  schema: z.ZodType<T>,
  options: ReadParquetOptions = {},
): AsyncGenerator<JsonlRow<T>> {
  const file = await openFile(path);
  let decoder: DecoderProcess | null = null;
  try {
    const source = await explain(path, () => openSource(path, file));
    const columns = columnsOf(source, options.columns);
    const decode = cellDecoders(
      columns.map(({ name }) => name),
      schema,
      source.table,
    );
    const stored = columns.map((column) => column.stored);
    if (source.table === null) decoder = new DecoderProcess(file.fd);
    let line = 0;
    for (const group of source.metadata.row_groups.keys()) {
      const slices = readGroup(source, decoder, group, { columns: stored, start: line }, options);
      for (;;) {
        const slice = await explain(path, () => slices.next());
        if (slice.done === true) break;
        for (const cells of slice.value) {
          line++;
          const check = () => validateRow(decode(cells, path, line), schema, path, line);
          const row = attempt(check, options.onBadRow);
          if (row !== undefined) yield { row, line };
        }
      }
    }
    if (line === 0) throw dataError(path, 1, 'row', 'file has no rows');
  } finally {
    decoder?.end();
    await file.close();
  }
}

/** The cells of a row group, some rows at a time. */
async function* readGroup(
  source: ParquetSource,
  decoder: DecoderProcess | null,
  group: number,
  { columns, start }: Pick<RowRange, 'columns' | 'start'>,
  { timeoutMs = 60_000 }: ReadParquetOptions,
): AsyncGenerator<unknown[][]> {
  const { num_rows, columns: chunks } = source.metadata.row_groups[group]!;
  const count = Number(num_rows);
  const range = { columns, start, end: start + count };
  const bytes = chunks.reduce((sum, chunk) => sum + chunkRange(chunk).size, 0);
  const name = `row group ${group + 1}`;
  let read = 0;
  const slices =
    decoder === null
      ? decodeChecked(source, group, range)
      : decoder.rows(name, range, timeoutMs + (bytes / 2 ** 20) * 1000);
  for await (const rows of slices) {
    read += rows.length;
    yield rows;
  }
  if (read !== count) throw new Error(`${name} has ${read} rows of ${count}`);
}

/** The one module that this process and the decoder's share. */
interface GroupReader {
  readGroup(file: AsyncBuffer, metadata: FileMetaData, range: RowRange): Promise<unknown[][]>;
}
// The same relative path from lib/data/*.ts and from dist/data/*.js: the package holds both folders.
const READER = new URL('../../lib/data/parquet-group.mjs', import.meta.url);

/** A group of our own file, whose checksums show that its pages are those that were written. */
async function* decodeChecked(source: ParquetSource, group: number, range: RowRange) {
  await verifyChecksums(source, group, new Set(range.columns));
  const reader = (await import(READER.href)) as GroupReader;
  yield await reader.readGroup(source.buffer, source.metadata, range);
}

async function verifyChecksums(
  { file, metadata, table }: ParquetSource,
  group: number,
  columns: ReadonlySet<string>,
) {
  for (const [index, chunk] of metadata.row_groups[group]!.columns.entries()) {
    const name = chunk.meta_data!.path_in_schema[0]!;
    if (!columns.has(name)) continue;
    const { start, size } = chunkRange(chunk);
    if (crc32(await readExactly(file, start, size)) !== table!.checksums[group]![index]) {
      throw new Error(`column ${name} of row group ${group + 1} is damaged: its checksum differs`);
    }
  }
}
