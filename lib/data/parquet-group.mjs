// Reads one row group by hyparquet. Plain JavaScript in lib/, and loaded from there by the compiled package too: the
// decoder's process runs it as well, and Node 20 starts none from TypeScript; `lib` is published beside `dist`.
import { parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Strings exactly: broken UTF-8 is an error, and a leading U+FEFF is a character. */
const parsers = { stringFromBytes: (bytes) => bytes && decoder.decode(bytes) };

/** The cells of rows `start` to `end` of the whole file, each row in the order of `columns`. */
export async function readGroup(file, metadata, { columns, start, end }) {
  let rows = [];
  await parquetRead({
    ...{ file, metadata, columns, rowStart: start, rowEnd: end },
    ...{ compressors, parsers, geoparquet: false, rowFormat: 'array' },
    onComplete: (read) => {
      rows = read;
    },
  });
  return rows;
}
