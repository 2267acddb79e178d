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

function sharedMemory(bytes: number, shape: readonly number[]): SharedArrayBuffer {
  try {
    return new SharedArrayBuffer(bytes);
  } catch (cause) {
    const message = `Tensor.alloc: no memory for ${bytes} bytes (shape ${shape.join(' x ')})`;
    throw new LapidaryError('ERR_LAPIDARY_NATIVE', message, { cause });
  }
}

export function hostStorage<D extends DType>(
  dtype: D,
  shape: readonly number[],
  pinned: boolean,
): Storage<D> {
  const count = elementCount(shape);
  if (pinned) return pinnedStorage(dtype, count, shape);
  const array = ARRAYS[dtype] as unknown as new (memory: SharedArrayBuffer) => ArrayOf[D];
  const bytes = count * ARRAYS[dtype].BYTES_PER_ELEMENT;
  return { device: 'cpu', data: new array(sharedMemory(bytes, shape)) };
}

/** The largest page of a system that this runs on. Pages are pinned as a whole, so they are nobody else's. */
const PAGE = 65_536;

function pinnedStorage<D extends DType>(dtype: D, count: number, shape: readonly number[]): Storage<D> {
  const { CudaPinned, addressOf } = addon();
  const stream = Stream.default('cuda:0').native;
  const pages = Math.ceil((count * ARRAYS[dtype].BYTES_PER_ELEMENT) / PAGE) * PAGE;
  const memory = sharedMemory(pages + PAGE, shape);
  const offset = (PAGE - Number(addressOf(new Uint8Array(memory)) % BigInt(PAGE))) % PAGE;
  const whole = new Uint8Array(memory, offset, pages);
  const array = ARRAYS[dtype] as unknown as new (
    memory: SharedArrayBuffer,
    offset: number,
    count: number,
  ) => ArrayOf[D];
  const pin = guarded(() => new CudaPinned({ stream, array: whole, bytes: pages }));
  return { device: 'cpu', data: new array(memory, offset, count), pin, owns: true };
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
