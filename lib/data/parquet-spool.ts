import { type FileHandle, open, rm } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';

/**
 * Rows put aside on disk while the columns are surveyed: the type of a Parquet column holds for the whole file, so the
 * last row can decide how the first is written. Groups of rows come back in order, each value as it was.
 */
export class RowSpool {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #sizes: number[] = [];
  #end = 0;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async open(path: string): Promise<RowSpool> {
    return new RowSpool(path, await open(path, 'w+'));
  }

  async append(rows: readonly object[]): Promise<void> {
    const bytes = serialize(rows);
    for (let at = 0; at < bytes.length; ) {
      const written = await this.#file.write(bytes, at, bytes.length - at, this.#end + at);
      at += written.bytesWritten;
    }
    this.#end += bytes.length;
    this.#sizes.push(bytes.length);
  }

  async *groups(): AsyncGenerator<Record<string, unknown>[]> {
    let start = 0;
    for (const size of this.#sizes) {
      yield deserialize(await readExactly(this.#file, start, size)) as Record<string, unknown>[];
      start += size;
    }
  }

  async remove(): Promise<void> {
    await this.#file.close();
    await rm(this.#path, { force: true });
  }
}

/** `size` bytes from `start`; an error where the file ends before. A single read may be short. */
export async function readExactly(file: FileHandle, start: number, size: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, size - at, start + at);
    if (bytesRead === 0) throw new RangeError(`file ends at byte ${start + at}, expected ${start + size}`);
    at += bytesRead;
  }
  return bytes;
}
