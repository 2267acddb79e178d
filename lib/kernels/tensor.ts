import { LapidaryError } from '../errors.ts';
import { checkKeys, describe, fail } from './argument.ts';
import {
  ARRAYS,
  type ArrayOf,
  asPatterns,
  checkDType,
  type DType,
  elementCount,
  type HalfArray,
} from './dtype.ts';
import { guarded, type NativeMemory, type NativePin } from './native.ts';
import { type DLPack, dlpack, type IpcHandle, ipcHandle } from './sharing.ts';
import { deviceStorage, hostStorage, type Storage, streamOn } from './storage.ts';
import type { Stream } from './stream.ts';
import { type CopyOptions, copy, copySync } from './transfer.ts';

export { describe } from './argument.ts';
export { type DType, FLOAT_DTYPES, type FloatDType } from './dtype.ts';

export interface AllocOptions {
  /** "cpu", or a device such as "cuda:0"; default "cpu". */
  device?: string;
  /** On a device: the stream in whose order the memory is made and freed; default the device's own. */
  stream?: Stream;
  /** On a device: memory that {@link Tensor.ipcHandle} can name to another process. */
  shareable?: boolean;
  /** On the CPU: pinned, so that copies to and from a device do not pass through the driver's own buffers. */
  pinned?: boolean;
}

/**
 * A dense row-major array with its element type and shape, in the memory of the host or of a CUDA device.
 *
 * `Tensor.alloc` makes one that the library owns: on the host it lies in shared memory, which can be neither detached
 * nor shrunk, so asynchronous calls work on it in place. `Tensor.from` wraps an array of yours: synchronous calls use
 * it in place, asynchronous ones copy it (inputs at the call, outputs when it settles).
 *
 * Calls run one at a time and in the order they were made, so a call may be given tensors of `alloc` that an earlier
 * one is still to write. With an array of yours it would see the old contents: ERR_LAPIDARY_STATE.
 *
 * On the host there is nothing to dispose of, unless it is pinned. Memory of a device is freed by `dispose` (or
 * `using`), in the order of its stream; the collector frees what was forgotten, whenever it comes by.
 */
export class Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  /** "cpu", or a device such as "cuda:0". */
  readonly device: string;
  /** The elements, on the host; ERR_LAPIDARY_ARGUMENT on a device. */
  declare readonly data: ArrayOf[D];
  /** Elements that the shape counts; `data` may have another length where its buffer has since been resized. */
  readonly size: number;
  readonly #storage: Storage<D>;

  private constructor(dtype: D, shape: readonly number[], storage: Storage<D>) {
    this.dtype = dtype;
    this.shape = Object.freeze([...shape]);
    this.device = storage.device;
    this.#storage = storage;
    if ('data' in storage) {
      this.data = storage.data;
      this.size = storage.data.length;
    } else {
      this.size = elementCount(shape);
      Object.defineProperty(this, 'data', {
        get: () => fail('data', "a tensor on the CPU, as to('cpu') makes one", `one on ${storage.device}`),
      });
    }
  }

  /** A zeroed tensor: in shared memory, or on a device. */
  static alloc<D extends DType>(dtype: D, shape: readonly number[], options: AllocOptions = {}): Tensor<D> {
    checkDType(dtype);
    checkKeys('options', options, ['device', 'stream', 'shareable', 'pinned']);
    const { device = 'cpu', pinned = false } = options;
    if (device === 'cpu') return new Tensor(dtype, shape, hostStorage(dtype, shape, pinned));
    const stream = streamOn(device, options.stream);
    const kind = options.shareable ? 'shareable' : 'pool';
    return new Tensor(dtype, shape, deviceStorage(dtype, shape, stream, { kind, fill: 0 }));
  }

  /** Memory of a device as it was left, for what writes all of it. @internal */
  static unwritten<D extends DType>(dtype: D, shape: readonly number[], stream: Stream): Tensor<D> {
    return new Tensor(dtype, shape, deviceStorage(dtype, shape, stream, { kind: 'pool' }));
  }

  /**
   * Opens memory of another process on this machine, which must outlive the tensor there; nothing is copied. Ends with
   * `dispose`. The process that made the memory cannot open it itself.
   */
  static fromIpc<D extends DType>(
    given: IpcHandle & { dtype: D; shape: readonly number[]; device: string; stream?: Stream },
  ): Tensor<D> {
    const { dtype, shape, device, handle, offset } = given;
    checkDType(dtype);
    const stream = streamOn(device, given.stream);
    return new Tensor(
      dtype,
      shape,
      deviceStorage(dtype, shape, stream, { kind: 'imported', handle, offset }),
    );
  }

  /**
   * Wraps `array` without a copy; without `shape` it is one-dimensional. For f16 a Float16Array will do too, and
   * `data` is then a Uint16Array over its memory.
   */
  static from<D extends DType>(
    dtype: D,
    array: ArrayOf[D] | HalfArray<D>,
    shape?: readonly number[],
  ): Tensor<D> {
    checkDType(dtype);
    const data = asPatterns(dtype, array) as ArrayOf[D];
    if (!(data instanceof ARRAYS[dtype]) || Buffer.isBuffer(data)) {
      fail('data', `a ${ARRAYS[dtype].name} for dtype ${dtype}`, describe(data));
    }
    const dimensions = shape ?? [data.length];
    const count = elementCount(dimensions);
    if (count !== data.length) {
      throw new LapidaryError(
        'ERR_LAPIDARY_ARGUMENT',
        `shape: ${dimensions.join(' x ')} needs ${count} elements, data has ${data.length}`,
        { argument: 'shape' },
      );
    }
    return new Tensor(dtype, dimensions, { device: 'cpu', data });
  }

  get byteLength(): number {
    return this.size * ARRAYS[this.dtype].BYTES_PER_ELEMENT;
  }

  /** A new tensor with the same elements on `device`, which may be the same. */
  async to(device: string, options: CopyOptions & { signal?: AbortSignal } = {}): Promise<Tensor<D>> {
    const made = this.#like(device, options);
    try {
      await copy(this, made, options);
      return made;
    } catch (error) {
      made.dispose();
      throw error;
    }
  }

  /** {@link to}, on the calling thread. To a device it returns when the host's memory has been read, or, where that is
   * pinned, at once: it must stay as it is until the stream has passed the copy. */
  toSync(device: string, options: CopyOptions = {}): Tensor<D> {
    const made = this.#like(device, options);
    try {
      copySync(this, made, options);
      return made;
    } catch (error) {
      made.dispose();
      throw error;
    }
  }

  /** Overwrites the elements with those of a tensor of the same type and shape, wherever it is. */
  async copyFrom(source: Tensor<D>, options: CopyOptions & { signal?: AbortSignal } = {}): Promise<this> {
    await copy(source, this, options);
    return this;
  }

  /** {@link copyFrom} on the calling thread; waits as {@link toSync} does. */
  copyFromSync(source: Tensor<D>, options: CopyOptions = {}): this {
    copySync(source, this, options);
    return this;
  }

  /** Entries [begin, end) of the first dimension, as a part of the same memory; it ends with the whole. */
  slice(begin: number, end: number): Tensor<D> {
    const [length = 1, ...inner] = this.shape;
    if (!Number.isInteger(begin) || !Number.isInteger(end) || begin < 0 || begin > end || end > length) {
      fail('slice', `0 <= begin <= end <= ${length}`, `${begin} and ${end}`);
    }
    const row = inner.reduce((product, extent) => product * extent, 1);
    const shape = [end - begin, ...inner];
    const storage = this.#storage;
    if ('data' in storage) {
      const data = storage.data.subarray(begin * row, end * row) as ArrayOf[D];
      return new Tensor(this.dtype, shape, { ...storage, data, owns: false });
    }
    const width = row * ARRAYS[this.dtype].BYTES_PER_ELEMENT;
    const memory = guarded(() => storage.memory.view(begin * width, (end - begin) * width));
    return new Tensor(this.dtype, shape, { ...storage, memory, owns: false });
  }

  /** The memory as other libraries describe it; they must be done with it before the tensor is disposed of. */
  dlpack(): DLPack {
    return dlpack(this);
  }

  /** A name of the memory for another process: of tensors that were made `shareable`, and their slices. */
  ipcHandle(): IpcHandle {
    return ipcHandle(this);
  }

  /** Frees the memory of a device, or unpins that of the host; twice is once. A slice has none of its own. */
  dispose(): void {
    const storage = this.#storage;
    if (!storage.owns) return;
    if ('memory' in storage) storage.memory.dispose();
    else storage.pin?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Whether the memory of a device has been freed. */
  get disposed(): boolean {
    return 'memory' in this.#storage && !this.#storage.memory.describe().alive;
  }

  /** What native calls take: the array, or the device's memory. @internal */
  get memory(): ArrayOf[D] | NativeMemory {
    return 'memory' in this.#storage ? this.#storage.memory : this.#storage.data;
  }

  /** The device's memory. @internal */
  deviceMemory(): NativeMemory {
    if ('memory' in this.#storage) return this.#storage.memory;
    return fail('tensor', 'one on a CUDA device', 'one on the CPU');
  }

  /** The pinning of the host's memory, where it is pinned. @internal */
  get pin(): NativePin | undefined {
    return 'data' in this.#storage ? this.#storage.pin : undefined;
  }

  #like(device: string, { stream }: CopyOptions): Tensor<D> {
    if (device === 'cpu') return Tensor.alloc(this.dtype, this.shape);
    const own = stream?.device === device ? stream : undefined;
    return Tensor.unwritten(this.dtype, this.shape, streamOn(device, own));
  }
}
