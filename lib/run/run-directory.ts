import { appendFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { writeJsonlAtomic } from '../data/jsonl.ts';
import { writeFileAtomic } from '../data/write-atomic.ts';
import { LapidaryError } from '../errors.ts';

/**
 * Where a run writes. It is made only once its inputs have been read and checked, and each file appears whole or not
 * at all; only metrics.jsonl grows, by whole lines. `status` in manifest.json says how the run ended.
 */
export class RunDirectory {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
    try {
      mkdirSync(root, { recursive: true });
    } catch (cause) {
      throw new LapidaryError('ERR_LAPIDARY_IO', `${root}: cannot be made: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** Refuses a place that holds something, before any work is done for it. */
  static checkFree(root: string): void {
    if (existsSync(root) && readdirSync(root).length > 0) {
      throw new LapidaryError(
        'ERR_LAPIDARY_IO',
        `${root}: holds files already; name another directory with --out, or move this one away`,
      );
    }
  }

  file(name: string): string {
    return path.join(this.root, name);
  }

  table(name: string, rows: Iterable<object>): Promise<number> {
    return writeJsonlAtomic(this.file(`${name}.jsonl`), rows);
  }

  json(name: string, value: unknown): Promise<void> {
    return writeFileAtomic(this.file(name), `${JSON.stringify(value, null, 2)}\n`);
  }

  metric(row: object): void {
    appendFileSync(this.file('metrics.jsonl'), `${JSON.stringify(row)}\n`);
  }
}
