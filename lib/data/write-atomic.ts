import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { LapidaryError } from '../errors.ts';

const FLUSH_CHARACTERS = 1 << 20;

/** Writes a whole file under a temporary name, syncs it and renames it into place. */
export async function writeFileAtomic(path: string, content: string | Uint8Array): Promise<void> {
  await writeChunksAtomic(path, [content]);
}

/**
 * The same for content that arrives in pieces. If anything fails, the source of the pieces included, the temporary
 * file is removed and `path` is as it was.
 */
export async function writeChunksAtomic(
  path: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<void> {
  const temporary = `${path}.tmp-${process.pid}`;
  try {
    await writeSynced(temporary, chunks);
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw writeError(path, cause);
  }
}

/** What the operating system refused, as ERR_LAPIDARY_IO; any other error unchanged. */
export function writeError(path: string, cause: unknown): unknown {
  if (!isSystemError(cause)) return cause;
  return new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be written: ${cause.message}`, { cause });
}

async function writeSynced(
  path: string,
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    let pending = '';
    for await (const chunk of chunks) {
      if (typeof chunk === 'string') pending += chunk;
      if (pending.length >= FLUSH_CHARACTERS || typeof chunk !== 'string') {
        await writeAll(file, Buffer.from(pending, 'utf8'));
        pending = '';
      }
      if (typeof chunk !== 'string') await writeAll(file, chunk);
    }
    await writeAll(file, Buffer.from(pending, 'utf8'));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A single write may be short on some file systems. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at)).bytesWritten;
  }
}

/** Makes the rename itself durable. Some platforms cannot sync a directory; the content is safe without. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r').catch(() => null);
  await directory?.sync().catch(() => {});
  await directory?.close();
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
