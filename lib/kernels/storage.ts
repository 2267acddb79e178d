import { LapidaryError } from '../errors.ts';
import { fail } from './argument.ts';
import { deviceIndex } from './cuda.ts';
import { ARRAYS, type ArrayOf, type DType, elementCount } from './dtype.ts';
import { addon, guarded, type NativeArguments, type NativeMemory, type NativePin } from './native.ts';
import { Stream } from './stream.ts';

/** Where a tensor's elements are. `owns`: the memory is this tensor's, not another's of which this is a part. */
export type Storage<D extends DType> =
  | { device: 'cpu'; data: ArrayOf[D]; pin?: NativePin | undefined; owns?: boolean }
  | { device: string; memory: NativeMemory; owns: boolean };

/** The stream that was given for `device`, which must be there, or the device's own. */
export function streamOn(device: string, given: Stream | undefined): Stream {
  deviceIndex('device', device);
  const stream = given ?? Stream.default(device);
  if (stream.device !== device) fail('stream', `one of ${device}`, `one of ${stream.device}`);
  return stream;
}

export function hostStorage<D extends DType>(
  dtype: D,
  shape: readonly number[],
  pinned: boolean,
): Storage<D> {
  const array = ARRAYS[dtype] as unknown as new (memory: SharedArrayBuffer) => ArrayOf[D];
  const bytes = elementCount(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  let data: ArrayOf[D];
  try {
    data = new array(new SharedArrayBuffer(bytes));
  } catch (cause) {
    const message = `Tensor.alloc: no memory for ${bytes} bytes (shape ${shape.join(' x ')})`;
    throw new LapidaryError('ERR_LAPIDARY_NATIVE', message, { cause });
  }
  if (!pinned) return { device: 'cpu', data };
  const { CudaPinned } = addon();
  const stream = Stream.default('cuda:0').native;
  return {
    device: 'cpu',
    data,
    pin: guarded(() => new CudaPinned({ stream, array: data, bytes })),
    owns: true,
  };
}

export function deviceStorage<D extends DType>(
  dtype: D,
  shape: readonly number[],
  stream: Stream,
  how: NativeArguments,
): Storage<D> {
  const bytes = elementCount(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT;
  const { CudaMemory } = addon();
  const memory = guarded(() => new CudaMemory({ stream: stream.native, bytes, ...how }));
  return { device: stream.device, memory, owns: true };
}
