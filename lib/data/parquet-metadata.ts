import { crc32 } from 'node:zlib';
import type { FileMetaData } from 'hyparquet';
import { z } from 'zod';

/**
 * The mark of our own files: name of the schema's root, key of our entry in the key-value metadata, and `created_by`.
 * Three places, so that no one damaged byte makes a file pass for another program's, which has no checksums.
 */
export const MARK = 'lapidary';

/** Kept in the file's key-value metadata; a file of another writer has none. */
export const TableMetadata = z.object({
  version: z.literal(1),
  /** Columns whose strings are JSON text. */
  json: z.array(z.string()),
  /** Columns whose missing values are read as an absent key; in the others they are null. */
  absent: z.array(z.string()),
  /** Stored name of a column to its own, where they differ. */
  names: z.record(z.string(), z.string()).optional(),
  /** CRC-32 of each column chunk, a list per row group: Parquet pages carry none here, and snappy detects little. */
  checksums: z.array(z.array(z.number())),
  /** CRC-32 of what of the footer decides how the pages are read, this record included. */
  footer: z.number(),
});
export type TableMetadata = z.infer<typeof TableMetadata>;

type Layout = Pick<FileMetaData, 'schema' | 'row_groups'>;

export function sealMetadata(table: Omit<TableMetadata, 'footer'>, layout: Layout): TableMetadata {
  return { ...table, footer: footerChecksum(table, layout) };
}

/** Null where another program wrote the file; throws where the footer is damaged. */
export function tableMetadata(metadata: FileMetaData): TableMetadata | null {
  const entry = metadata.key_value_metadata?.find(({ key }) => key === MARK);
  const marked = entry !== undefined || metadata.created_by === MARK || metadata.schema[0]?.name === MARK;
  if (!marked) return null;
  const parsed = TableMetadata.safeParse(parseJson(entry?.value));
  if (!parsed.success) throw new Error(`footer is damaged: its "${MARK}" entry cannot be used`);
  if (parsed.data.footer !== footerChecksum(parsed.data, metadata)) {
    throw new Error('footer is damaged: its checksum differs');
  }
  return parsed.data;
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null; // no record of ours is null: the caller says that the entry is damaged
  }
}

const ELEMENT_FIELDS = [
  'name',
  'type',
  'type_length',
  'repetition_type',
  'num_children',
  'converted_type',
  'logical_type',
  'scale',
  'precision',
] as const;

function footerChecksum(
  { version, json, absent, names, checksums }: Omit<TableMetadata, 'footer'>,
  layout: Layout,
): number {
  const elements = layout.schema.map((element) => ELEMENT_FIELDS.map((field) => element[field] ?? null));
  const groups = layout.row_groups.map((group) => [
    String(group.num_rows),
    group.columns.map((chunk) => {
      const { type, path_in_schema, codec, ...counts } = chunk.meta_data!;
      const { num_values, data_page_offset, dictionary_page_offset, total_compressed_size } = counts;
      const integers = [num_values, data_page_offset, dictionary_page_offset ?? 0n, total_compressed_size];
      return [type, path_in_schema, codec, integers.map(String)];
    }),
  ]);
  const renamed = names === undefined ? [] : [Object.entries(names)];
  return crc32(JSON.stringify([version, json, absent, checksums, elements, groups, ...renamed]));
}

type ColumnChunk = FileMetaData['row_groups'][number]['columns'][number];

/** Where a column chunk, its dictionary included, lies in the file. */
export function chunkRange({ meta_data: chunk }: ColumnChunk): { start: number; size: number } {
  if (chunk === undefined) throw new Error('column chunk has no metadata');
  const { dictionary_page_offset: dictionary, data_page_offset: data, total_compressed_size: size } = chunk;
  return { start: Number(dictionary || data), size: Number(size) };
}
