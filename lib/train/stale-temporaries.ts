import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Removes what processes that were killed while they wrote `file` left beside it (write-atomic.ts names it by the
 * process). Those of processes that live are kept.
 */
export async function removeStaleTemporaries(file: string): Promise<void> {
  const prefix = `${path.basename(file)}.tmp-`;
  const names = await readdir(path.dirname(file)).catch(() => []);
  for (const name of names) {
    const suffix = name.slice(prefix.length);
    if (!name.startsWith(prefix) || !/^\d+$/.test(suffix) || isAlive(Number(suffix))) continue;
    await rm(path.join(path.dirname(file), name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
