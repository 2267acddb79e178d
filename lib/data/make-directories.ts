import { existsSync, mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/**
 * Makes the directory and those above it; one that is there is fine. Node's own recursive form tries for ever where a
 * file system refuses a directory with ENOENT although its parent is there (/proc does).
 * @throws the system's error
 */
export function makeDirectories(directory: string): void {
  try {
    mkdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = path.dirname(path.resolve(directory));
    if (code === 'ENOENT' && !existsSync(parent)) {
      makeDirectories(parent);
      mkdirSync(directory);
    } else if (!(existsSync(directory) && statSync(directory).isDirectory())) {
      throw error;
    }
  }
}
