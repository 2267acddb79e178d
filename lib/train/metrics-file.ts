import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { LapidaryError } from '../errors.ts';
import type { UpdateMetrics } from './update.ts';

/** How far a metrics file was when a training state was written. */
export interface MetricsMark {
  bytes: number;
  sha256: string;
}

/**
 * One JSON object per update and line, without wall-clock times, so that files of equal trainings are equal. A line
 * may be torn by the end of the process; reopening cuts the file to the mark of the training state.
 */
export class MetricsFile {
  readonly #path: string;
  readonly #descriptor: number;
  readonly #hash: Hash = createHash('sha256');
  #bytes = 0;

  /** `mark` null: an empty file. @throws LapidaryError ERR_LAPIDARY_IO; ERR_LAPIDARY_STATE where the mark does not fit */
  constructor(path: string, mark: MetricsMark | null) {
    this.#path = path;
    this.#descriptor = this.#try(() => openSync(path, mark === null ? 'w' : 'r+'));
    if (mark === null) return;
    try {
      this.#rewind(mark);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  append(metrics: UpdateMetrics): void {
    const line = Buffer.from(metricsLine(metrics));
    this.#try(() => {
      for (let at = 0; at < line.length; ) {
        at += writeSync(this.#descriptor, line, at, line.length - at, this.#bytes + at);
      }
    });
    this.#hash.update(line);
    this.#bytes += line.length;
  }

  /** Makes what was appended durable and says how far it goes. */
  mark(): MetricsMark {
    this.#try(() => fsyncSync(this.#descriptor));
    return { bytes: this.#bytes, sha256: this.#hash.copy().digest('hex') };
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #rewind(mark: MetricsMark): void {
    const size = this.#try(() => fstatSync(this.#descriptor).size);
    if (size < mark.bytes) throw this.#unfit(`it has ${size} bytes; the training state counts ${mark.bytes}`);
    const buffer = Buffer.alloc(1 << 16);
    while (this.#bytes < mark.bytes) {
      const want = Math.min(buffer.length, mark.bytes - this.#bytes);
      const read = this.#try(() => readSync(this.#descriptor, buffer, 0, want, this.#bytes));
      if (read === 0) throw this.#unfit('it became shorter while it was read');
      this.#hash.update(buffer.subarray(0, read));
      this.#bytes += read;
    }
    if (this.#hash.copy().digest('hex') !== mark.sha256) {
      throw this.#unfit(`its first ${mark.bytes} bytes are not those of the training state`);
    }
    this.#try(() => ftruncateSync(this.#descriptor, mark.bytes));
  }

  #unfit(problem: string): LapidaryError {
    return new LapidaryError('ERR_LAPIDARY_STATE', `${this.#path}: ${problem}`, { argument: 'metrics' });
  }

  #try<T>(call: () => T): T {
    try {
      return call();
    } catch (cause) {
      const problem = `cannot be used: ${(cause as Error).message}`;
      throw new LapidaryError('ERR_LAPIDARY_IO', `${this.#path}: ${problem}`, { cause, argument: 'metrics' });
    }
  }
}

/** A number that JSON cannot express is written as its name: null would mean "not computed". */
function metricsLine({ update, lr, gradNorm, seconds: _, ...rest }: UpdateMetrics): string {
  const named = (_key: string, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  return `${JSON.stringify({ update, lr, gradNorm, ...rest }, named)}\n`;
}
