import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LapidaryError } from '../errors.ts';
import { fromF16 } from '../kernels/f16.ts';
import { importOptional, namedExports } from '../tokenizer/optional-package.ts';

/** A token classifier whose first label is "a segment ends with this token". */
export interface SatModel {
  /** Names the weights; part of the segmenter's id. */
  readonly id: string;
  /** The logits of that label, [batch, length] row by row; `inputIds` likewise, special tokens included. */
  boundaryLogits(inputIds: BigInt64Array, batch: number, length: number): Promise<Float32Array>;
}

interface OrtTensor {
  readonly type: string;
  readonly data: ArrayLike<number>;
  readonly dims: readonly number[];
}

interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
}

/** What is used of the npm package `onnxruntime-node`. */
export interface OrtModule {
  InferenceSession: { create(path: string, options?: object): Promise<OrtSession> };
  Tensor: new (type: string, data: BigInt64Array | ArrayLike<number>, dims: readonly number[]) => OrtTensor;
}

export interface OrtSatModelOptions {
  /** Given to the session as they are: executionProviders, intraOpNumThreads and the like. */
  sessionOptions?: object;
  /** Instead of the installed onnxruntime-node. */
  module?: OrtModule;
}

export const ONNXRUNTIME_VERSION = '1.30.0';

const F16_ONE = 0x3c00;

/** A SaT model (`model_optimized.onnx` or `model.onnx`) in a session of the optional package onnxruntime-node. */
export class OrtSatModel implements SatModel {
  readonly id: string;
  readonly #path: string;
  readonly #ort: OrtModule;
  readonly #session: OrtSession;

  private constructor(path: string, id: string, ort: OrtModule, session: OrtSession) {
    this.#path = path;
    this.id = id;
    this.#ort = ort;
    this.#session = session;
  }

  /**
   * `path` is the file, or a folder that holds one of the two. ERR_LAPIDARY_ARGUMENT where the package is missing,
   * ERR_LAPIDARY_IO where the file is, ERR_LAPIDARY_DATA where it is no model of this kind.
   */
  static async open(path: string, options: OrtSatModelOptions = {}): Promise<OrtSatModel> {
    const file = modelFile(path);
    const ort = options.module ?? (await importOrt());
    let session: OrtSession;
    try {
      session = await ort.InferenceSession.create(file, options.sessionOptions);
    } catch (cause) {
      throw modelError(file, `cannot be opened: ${(cause as Error).message}`, cause);
    }
    checkNames(file, 'input', session.inputNames, ['input_ids', 'attention_mask']);
    checkNames(file, 'output', session.outputNames, ['logits']);
    return new OrtSatModel(file, `onnx:${(await sha256(file)).slice(0, 16)}`, ort, session);
  }

  async boundaryLogits(inputIds: BigInt64Array, batch: number, length: number): Promise<Float32Array> {
    const { Tensor } = this.#ort;
    const dims = [batch, length] as const;
    let logits: OrtTensor | undefined;
    try {
      ({ logits } = await this.#session.run({
        input_ids: new Tensor('int64', inputIds, dims),
        attention_mask: maskOfOnes(Tensor, dims),
      }));
    } catch (cause) {
      throw modelError(this.#path, `failed on [${dims}] tokens: ${(cause as Error).message}`, cause);
    }
    return firstColumn(this.#path, logits, batch, length);
  }
}

/** Column 0 of [batch, length, labels]. */
function firstColumn(
  path: string,
  logits: OrtTensor | undefined,
  batch: number,
  length: number,
): Float32Array {
  const [rows, columns, labels] = logits?.dims ?? [];
  if (logits === undefined || rows !== batch || columns !== length || !labels || logits.dims.length !== 3) {
    throw modelError(path, `logits: has shape [${logits?.dims}], expected [${batch}, ${length}, labels]`);
  }
  // Half floats arrive as bit patterns, except where the runtime has an array of its own for them.
  const asBits = logits.type === 'float16' && logits.data instanceof Uint16Array;
  const read = asBits ? fromF16 : (value: number): number => value;
  return Float32Array.from({ length: batch * length }, (_, i) => read(logits.data[i * labels]!));
}

/**
 * A float16 tensor whose data is a Uint16Array of bit patterns on every Node. Where the runtime has Float16Array, the
 * package's own constructor turns either array into one, which its native part (1.30.0) then cannot read; so the tensor
 * is made as uint16 and given its type afterwards.
 */
function maskOfOnes(Tensor: OrtModule['Tensor'], dims: readonly [number, number]): OrtTensor {
  const tensor = new Tensor('uint16', new Uint16Array(dims[0] * dims[1]).fill(F16_ONE), dims);
  return Object.defineProperty(tensor, 'type', { value: 'float16', enumerable: true });
}

async function importOrt(): Promise<OrtModule> {
  const module = await importOptional('onnxruntime-node', ONNXRUNTIME_VERSION, 'a SaT segmenter');
  return namedExports(module) as unknown as OrtModule;
}

function modelFile(path: string): string {
  const places = [path, join(path, 'model_optimized.onnx'), join(path, 'model.onnx')];
  const file = places.find((place) => existsSync(place) && statSync(place).isFile());
  if (file !== undefined) return file;
  const message = `${path}: no model: expected a file, or a folder with model_optimized.onnx or model.onnx`;
  throw new LapidaryError('ERR_LAPIDARY_IO', message, { argument: 'model' });
}

function checkNames(file: string, what: string, names: readonly string[], needed: readonly string[]): void {
  const missing = needed.find((name) => !names.includes(name));
  if (missing === undefined) return;
  throw modelError(file, `has no ${what} ${missing}, only ${names.join(', ')}: is it a SaT model?`);
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function modelError(file: string, problem: string, cause?: unknown): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `${file}: ${problem}`, {
    argument: 'model',
    ...(cause === undefined ? {} : { cause }),
  });
}
