import { fail } from './argument.ts';
import type { NativeArguments, NativeStream } from './native.ts';
import { Stream } from './stream.ts';
import { type DType, Tensor } from './tensor.ts';

/** Memory for a result of the call with these arguments: where the call runs. */
export function allocFor<D extends DType>(
  args: NativeArguments,
  dtype: D,
  shape: readonly number[],
): Tensor<D> {
  const place = args.place as Place | undefined;
  return place === undefined ? Tensor.alloc(dtype, shape) : place.alloc(dtype, shape);
}

/** Where a call runs: its device and stream, by its first tensor; and the tensors that were made for it. */
export class Place {
  readonly device: string;
  readonly stream: Stream | undefined;
  readonly #made: Tensor[] = [];
  readonly #temporaries: Tensor[] = [];

  constructor({ device }: Tensor, stream?: Stream) {
    this.device = device;
    if (stream !== undefined && (!(stream instanceof Stream) || stream.device !== device)) {
      const got = stream instanceof Stream ? `one of ${stream.device}` : typeof stream;
      fail('options.stream', `a Stream of ${device}, where the tensors are`, got);
    }
    this.stream = device === 'cpu' ? undefined : (stream ?? Stream.default(device));
  }

  /** What native calls take. */
  get native(): { place?: Place; stream?: NativeStream } {
    return this.stream === undefined ? {} : { place: this, stream: this.stream.native };
  }

  /** A result: the caller's once the call has succeeded. Not zeroed on a device, where the call writes all of it. */
  alloc<D extends DType>(dtype: D, shape: readonly number[]): Tensor<D> {
    return this.#keep(this.#made, dtype, shape);
  }

  /** Memory of the call itself, until {@link end}. */
  temporary<D extends DType>(dtype: D, shape: readonly number[]): Tensor<D> {
    return this.#keep(this.#temporaries, dtype, shape);
  }

  #keep<D extends DType>(list: Tensor[], dtype: D, shape: readonly number[]): Tensor<D> {
    if (this.stream === undefined) return Tensor.alloc(dtype, shape);
    try {
      const tensor = Tensor.unwritten(dtype, shape, this.stream);
      list.push(tensor);
      return tensor;
    } catch (error) {
      this.fail();
      throw error;
    }
  }

  /** Frees the temporaries, in the order of the stream. */
  end(): void {
    for (const tensor of this.#temporaries.splice(0)) tensor.dispose();
  }

  /** Frees all: the call has failed, and nobody has its results. */
  fail(): void {
    this.end();
    for (const tensor of this.#made.splice(0)) tensor.dispose();
  }
}
