import { fail } from './argument.ts';
import { deviceIndex } from './cuda.ts';
import { addon, callAsync, callSync, guarded, type NativeEvent, type NativeStream } from './native.ts';

/**
 * Work of a device, one after the other in the order of the calls; that of two streams may overlap. Every device has a
 * stream that calls use where none is given. Tensors are freed in the order of the stream they were made on, after
 * whatever other streams had been given them by then.
 */
export class Stream {
  /** Such as "cuda:0". */
  readonly device: string;
  readonly #native: NativeStream;
  #disposed = false;

  constructor(options: { device: string }) {
    const index = deviceIndex('device', options.device);
    this.device = options.device;
    const { CudaStream } = addon();
    this.#native = guarded(() => new CudaStream(index));
  }

  /** The stream of calls on `device` that name none. */
  static default(device: string): Stream {
    let stream = defaults.get(device);
    if (stream === undefined) {
      stream = new Stream({ device });
      defaults.set(device, stream);
    }
    return stream;
  }

  /** The native half, for native calls. @internal */
  get native(): NativeStream {
    return this.#native;
  }

  /** The cudaStream_t, for other libraries of this process. */
  get handle(): bigint {
    return guarded(() => this.#native.address());
  }

  /** Settles when all work put on the stream so far is done; rejects where it has failed. */
  async synchronize(options: { signal?: AbortSignal } = {}): Promise<void> {
    await callAsync(addon().cudaSynchronize, { stream: this.#native }, options.signal);
  }

  /** {@link synchronize} on the calling thread. */
  synchronizeSync(): void {
    callSync(addon().cudaSynchronize, { stream: this.#native });
  }

  /** What is put on this stream from now on starts when `event` has been passed. */
  wait(event: Event): void {
    guarded(() => event.native.waitOn(this.#native));
  }

  /** Bytes of the device; free is without what its pool keeps for the next tensors. */
  memoryInfo(): { free: number; total: number } {
    return guarded(() => this.#native.memory());
  }

  /** Waits for the stream, and gives memory that the pool keeps unused back to the device. */
  trimMemory(): void {
    guarded(() => this.#native.trim());
  }

  /**
   * The stream is destroyed, its work done, when the last tensor made on it is gone. Nobody can wait for it any more, so
   * the device's own stream does: what it is given from now on starts after that work. Disposing of the device's own
   * stream waits for it here.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    try {
      this.#letDefaultWait();
    } finally {
      this.#native.dispose();
    }
  }

  #letDefaultWait(): void {
    if (defaults.get(this.device) === this) {
      defaults.delete(this.device);
      this.synchronizeSync();
      return;
    }
    const last = new Event(this);
    try {
      last.record();
      Stream.default(this.device).wait(last);
    } finally {
      last.dispose();
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

const defaults = new Map<string, Stream>();

/** A point in the work of a stream. */
export class Event {
  readonly device: string;
  readonly #native: NativeEvent;
  #stream: Stream;

  /** On the stream's device; not recorded yet. */
  constructor(stream: Stream) {
    this.device = stream.device;
    this.#stream = stream;
    const { CudaEvent } = addon();
    this.#native = guarded(() => new CudaEvent(stream.native));
  }

  /** The native half, for native calls. @internal */
  get native(): NativeEvent {
    return this.#native;
  }

  /** The event is passed when all that is on the stream now has been done. */
  record(stream: Stream = this.#stream): void {
    if (stream.device !== this.device) {
      fail('stream', `one of ${this.device}, where the event is`, `one of ${stream.device}`);
    }
    guarded(() => this.#native.record(stream.native));
    this.#stream = stream;
  }

  /** Whether it has been passed; true where it was never recorded. */
  query(): boolean {
    return guarded(() => this.#native.query());
  }

  async synchronize(options: { signal?: AbortSignal } = {}): Promise<void> {
    const args = { stream: this.#stream.native, event: this.#native };
    await callAsync(addon().cudaSynchronize, args, options.signal);
  }

  synchronizeSync(): void {
    callSync(addon().cudaSynchronize, { stream: this.#stream.native, event: this.#native });
  }

  /** Milliseconds on the device from `since` to this event; both must have been passed. */
  elapsed(since: Event): number {
    return guarded(() => this.#native.elapsed(since.native));
  }

  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
