import { type FileHandle, open } from 'node:fs/promises';
import { contentId } from '../data/ids.ts';
import { readLines } from '../data/read-lines.ts';
import { dataError, LapidaryError } from '../errors.ts';
import { JOURNAL_HEADER, type JournalEntry, journalLine, parseJournalLine } from './journal-line.ts';
import { lockFile } from './journal-lock.ts';
import type { Judge, JudgeRequest } from './judge.ts';
import type { GroundTruthAware } from './recorded-response.ts';

export type { JournalEntry } from './journal-line.ts';

/**
 * What a judgement depends on, as one id: two responses with the same content are one question, in this run and in
 * later ones. Whatever the judge itself is set to is part of its id.
 */
export function journalKey(judge: Judge, request: JudgeRequest): string {
  const { problem, steps, asked, promptIds, responseIds, stepEnds } = request;
  const groundTruth = (judge as GroundTruthAware).seesGroundTruth === false ? undefined : request.groundTruth;
  const prefix = judge.scope === 'prefix' ? { promptIds, responseIds, stepEnds } : {};
  return contentId({ judge: judge.id, problem, groundTruth, steps, asked, ...prefix });
}

interface Pending {
  text: string;
  resolve: () => void;
  reject: (error: unknown) => void;
}

/**
 * An append-only file of what judges said. A line is synced to disk before append() resolves; lines that come at the
 * same time share one sync. What a killed process left of its last line is cut off at the next opening; any other
 * damage is ERR_LAPIDARY_DATA with file and line. One process at a time.
 */
export class JudgeJournal {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #unlock: () => Promise<void>;
  readonly #entries = new Map<string, JournalEntry>();
  #spentUsd = 0;
  #lines = 1;
  #pending: Pending[] = [];
  #writing: Promise<void> | null = null;
  #broken: unknown = null;
  #closed = false;

  private constructor(path: string, file: FileHandle, unlock: () => Promise<void>) {
    this.path = path;
    this.#file = file;
    this.#unlock = unlock;
  }

  /** Opens a journal, or makes one. */
  static async open(path: string): Promise<JudgeJournal> {
    const unlock = await lockFile(path);
    let file: FileHandle | null = null;
    try {
      file = await open(path, 'a+').catch((cause: Error) => {
        throw ioError(path, 'opened', cause);
      });
      const journal = new JudgeJournal(path, file, unlock);
      await journal.#prepare();
      return journal;
    } catch (error) {
      await file?.close();
      await unlock();
      throw error;
    }
  }

  /** The last entry with this key. */
  get(key: string): JournalEntry | undefined {
    return this.#entries.get(key);
  }

  /** Distinct questions. */
  get size(): number {
    return this.#entries.size;
  }

  /** All costs written down, those of failed and repeated questions included. */
  get spentUsd(): number {
    return this.#spentUsd;
  }

  /** Resolves when the entry is safe on disk. After a failure to write, every further call fails. */
  async append(entry: JournalEntry): Promise<void> {
    if (this.#closed) throw new LapidaryError('ERR_LAPIDARY_STATE', `${this.path}: the journal is closed`);
    if (this.#broken !== null) throw this.#broken;
    const text = `${journalLine(entry, this.path, ++this.#lines)}\n`;
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ text, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
    this.#remember(entry);
  }

  /** Waits for what is being written, closes the file and lets others open it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#writing;
    await this.#file.close();
    await this.#unlock();
  }

  async #writeAll(): Promise<void> {
    while (this.#pending.length > 0) {
      const group = this.#pending;
      this.#pending = [];
      try {
        if (this.#broken !== null) throw this.#broken;
        await writeFully(this.#file, Buffer.from(group.map(({ text }) => text).join('')));
        await this.#file.datasync();
        for (const { resolve } of group) resolve();
      } catch (cause) {
        this.#broken ??= ioError(this.path, 'written', cause as Error);
        for (const { reject } of group) reject(this.#broken);
      }
    }
    this.#writing = null;
  }

  async #prepare(): Promise<void> {
    await this.#cutTornLine();
    const { size } = await this.#file.stat();
    if (size === 0) {
      await writeFully(this.#file, Buffer.from(`${JOURNAL_HEADER}\n`));
      await this.#file.sync();
      return;
    }
    for await (const { text, line } of readLines(this.path)) {
      this.#lines = line;
      if (line > 1) this.#remember(parseJournalLine(text, this.path, line));
      else if (text !== JOURNAL_HEADER)
        throw dataError(this.path, 1, 'row', `is not the header of a judge journal: ${JOURNAL_HEADER}`);
    }
  }

  /** Nothing after the last newline was ever reported as done. */
  async #cutTornLine(): Promise<void> {
    const { size } = await this.#file.stat();
    const end = await afterLastNewline(this.#file, size);
    if (end === size) return;
    // A file of another kind must not lose its end: only the beginning of a header may stand alone.
    const head = Buffer.alloc(Math.min(size, JOURNAL_HEADER.length));
    await this.#file.read(head, 0, head.length, 0);
    const whole = end === 0 ? size <= JOURNAL_HEADER.length : true;
    if (!whole || !JOURNAL_HEADER.startsWith(head.toString('latin1')))
      throw dataError(this.path, 1, 'row', `is not the header of a judge journal: ${JOURNAL_HEADER}`);
    await this.#file.truncate(end);
    await this.#file.sync();
  }

  #remember(entry: JournalEntry): void {
    this.#entries.set(entry.key, entry);
    this.#spentUsd += entry.usage.costUsd ?? 0;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer): Promise<void> {
  // A single write may be short on some file systems.
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

const TAIL_BYTES = 1 << 16;

async function afterLastNewline(file: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(TAIL_BYTES);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await file.read(buffer, 0, end - start, start);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (at !== -1) return start + at + 1;
    end = start;
  }
  return 0;
}

function ioError(path: string, what: string, cause: Error): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be ${what}: ${cause.message}`, { cause });
}
