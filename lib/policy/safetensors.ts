import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { writeChunksAtomic } from '../data/write-atomic.ts';
import { LapidaryError } from '../errors.ts';
import { fromBf16 } from '../kernels/bf16.ts';
import { fromF16 } from '../kernels/f16.ts';

/**
 * The safetensors format: an 8-byte little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}
 * with an optional `__metadata__` of strings, then the data, which the tensors cover without gaps or overlaps.
 */

/** Where a tensor lies, in bytes from the start of the data. */
export interface TensorEntry {
  dtype: string;
  shape: number[];
  begin: number;
  end: number;
}

const LONGEST_HEADER = 100_000_000; // what the reference implementation accepts
const BITS: Record<string, number> = {
  ...{ F64: 64, I64: 64, U64: 64, F32: 32, I32: 32, U32: 32, F16: 16, BF16: 16, I16: 16, U16: 16 },
  ...{ I8: 8, U8: 8, BOOL: 8, F8_E4M3: 8, F8_E5M2: 8 },
};

/** An open file whose header has been checked. Tensors are read one by one, so that no file is too large. */
export class SafetensorsFile {
  readonly path: string;
  readonly metadata: Record<string, string>;
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly #descriptor: number;
  readonly #base: number;

  /** @throws LapidaryError ERR_LAPIDARY_IO; ERR_LAPIDARY_DATA with the file and, where one is at fault, the tensor. */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = reading(path, () => openSync(path, 'r'));
    try {
      const size = reading(path, () => fstatSync(this.#descriptor).size);
      const text = this.#header(size);
      this.#base = 8 + text.length;
      const { __metadata__: metadata = {}, ...entries } = parseHeader(path, text);
      this.metadata = checkMetadata(path, metadata);
      this.tensors = checkEntries(path, entries, size - this.#base);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  /** A tensor as f32: exact from F32, BF16 and F16. */
  read(name: string): Float32Array {
    const entry = this.tensors.get(name);
    if (entry === undefined) throw tensorError(this.path, name, 'is missing');
    const { dtype, begin, end } = entry;
    if (dtype !== 'F32' && dtype !== 'BF16' && dtype !== 'F16') {
      throw tensorError(this.path, name, `is ${dtype}; expected F32, BF16 or F16`);
    }
    const bytes = this.#bytes(this.#base + begin, end - begin);
    if (dtype === 'F32') return new Float32Array(bytes.buffer);
    const convert = dtype === 'BF16' ? fromBf16 : fromF16;
    const patterns = new Uint16Array(bytes.buffer);
    const values = new Float32Array(patterns.length);
    for (let i = 0; i < values.length; i++) values[i] = convert(patterns[i]!);
    return values;
  }

  #header(size: number): Buffer {
    if (size < 8) throw fileError(this.path, `it has ${size} bytes; expected at least the 8 of its length`);
    const length = Buffer.from(this.#bytes(0, 8)).readBigUInt64LE();
    if (length > LONGEST_HEADER) {
      throw fileError(this.path, `its header has ${length} bytes; expected at most ${LONGEST_HEADER}`);
    }
    if (length > size - 8) {
      throw fileError(this.path, `its header has ${length} bytes, of which ${size - 8} are there`);
    }
    return Buffer.from(this.#bytes(8, Number(length)).buffer);
  }

  #bytes(position: number, count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      const read = reading(this.path, () =>
        readSync(this.#descriptor, bytes, at, Math.min(count - at, 2 ** 30), position + at),
      );
      if (read === 0) throw fileError(this.path, 'it became shorter while it was read');
      at += read;
    }
    return bytes;
  }
}

/** Writes F32 tensors; `tensors` is asked for each one's data as it is written. */
export async function writeSafetensors(
  path: string,
  metadata: Record<string, string>,
  tensors: readonly { name: string; shape: number[]; read: () => Float32Array }[],
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, shape } of tensors) {
    const begin = offset;
    offset += 4 * shape.reduce((a, b) => a * b, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, offset] };
  }
  // The format asks for data aligned to 8 bytes: the header is padded with spaces.
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  const padding = Buffer.alloc((8 - (text.length % 8)) % 8, ' ');
  length.writeBigUInt64LE(BigInt(text.length + padding.length));
  function* chunks(): Generator<Uint8Array> {
    yield* [length, text, padding];
    for (const { read } of tensors) {
      const data = read();
      yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }
  }
  await writeChunksAtomic(path, chunks());
}

type Fields = Record<string, unknown>;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseHeader(path: string, text: Buffer): Fields {
  let header: unknown;
  try {
    header = JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw fileError(path, 'its header is not JSON', cause);
  }
  if (!isObject(header)) throw fileError(path, 'its header is no JSON object');
  return header;
}

function checkMetadata(path: string, metadata: unknown): Record<string, string> {
  if (isObject(metadata) && Object.values(metadata).every((value) => typeof value === 'string')) {
    return metadata as Record<string, string>;
  }
  throw fileError(path, '__metadata__ is no object of strings');
}

/** The tensors must cover the data from its first byte to its last, each byte once. */
function checkEntries(path: string, entries: Fields, dataBytes: number): Map<string, TensorEntry> {
  const tensors = new Map<string, TensorEntry>();
  for (const [name, fields] of Object.entries(entries)) {
    const entry = entryOf(path, name, fields);
    if (entry.end > dataBytes) {
      throw tensorError(path, name, `ends at byte ${entry.end} of the data, which has ${dataBytes}`);
    }
    tensors.set(name, entry);
  }
  const byPlace = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  for (const [name, entry] of byPlace) {
    if (entry.begin !== end) {
      const fault = entry.begin < end ? 'overlaps the tensor before it' : 'leaves a gap before it';
      throw tensorError(path, name, `${fault}: it begins at byte ${entry.begin}, expected ${end}`);
    }
    end = entry.end;
  }
  if (end !== dataBytes) throw fileError(path, `its data has ${dataBytes} bytes; its tensors fill ${end}`);
  return tensors;
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function entryOf(path: string, name: string, fields: unknown): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = isObject(fields) ? fields : ({} as Fields);
  if (typeof dtype !== 'string' || BITS[dtype] === undefined) {
    throw tensorError(
      path,
      name,
      `has dtype ${JSON.stringify(dtype)}; expected ${Object.keys(BITS).join(', ')}`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    throw tensorError(path, name, `has shape ${JSON.stringify(shape)}; expected counts`);
  }
  const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? (offsets as unknown[]) : [];
  if (!isCount(begin) || !isCount(end) || begin > end) {
    throw tensorError(path, name, `has data_offsets ${JSON.stringify(offsets)}; expected [begin, end]`);
  }
  const bytes = (shape.reduce((a, b) => a * b, 1) * BITS[dtype]) / 8;
  if (end - begin !== bytes) {
    throw tensorError(path, name, `is ${dtype} [${shape}], ${bytes} bytes, but has ${end - begin}`);
  }
  return { dtype, shape, begin, end };
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new LapidaryError('ERR_LAPIDARY_IO', `${path}: cannot be read: ${(cause as Error).message}`, {
      cause,
    });
  }
}

export function fileError(path: string, problem: string, cause?: unknown): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `${path}: not a usable safetensors file: ${problem}`, {
    cause,
  });
}

export function tensorError(path: string, name: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `${path}: tensor ${name} ${problem}`, { argument: name });
}
