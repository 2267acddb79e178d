import { LapidaryError } from '../errors.ts';
import { fail } from './argument.ts';
import { addon, callAsync, callSync, type NativeArguments, type NativeCall } from './native.ts';
import { streamOn } from './storage.ts';
import type { Stream } from './stream.ts';
import type { DType, Tensor } from './tensor.ts';

export interface CopyOptions {
  /** Of the device that is copied to or from (of two, the one that is copied to); default: that device's own. */
  stream?: Stream;
}

function check(from: Tensor, to: Tensor): void {
  if (to.dtype !== from.dtype || to.shape.join() !== from.shape.join()) {
    const [wanted, got] = [to, from].map(({ dtype, shape }) => `${dtype} [${shape.join(', ')}]`);
    fail('source', wanted!, got!);
  }
  for (const [argument, tensor] of [
    ['source', from],
    ['tensor', to],
  ] as const) {
    if (!tensor.disposed) continue;
    const message = `${argument}: it has been disposed of`;
    throw new LapidaryError('ERR_LAPIDARY_STATE', message, { argument });
  }
}

/** The native call that copies, with its arguments; null between arrays of the host. */
function plan(from: Tensor, to: Tensor, options: CopyOptions): [NativeCall, NativeArguments] | null {
  check(from, to);
  const [here, there] = [from.device === 'cpu', to.device === 'cpu'];
  if (here && there) return null;
  const { native } = streamOn(there ? from.device : to.device, options.stream);
  const bytes = to.byteLength;
  if (!here && !there) {
    return [addon().cudaCopy, { stream: native, to: to.memory, from: from.memory, bytes }];
  }
  const [host, device] = here ? [from, to] : [to, from];
  const args = { stream: native, device: device.memory, host: host.data, bytes, pinned: host.pin };
  return [here ? addon().cudaUpload : addon().cudaDownload, args];
}

export async function copy<D extends DType>(
  from: Tensor<D>,
  to: Tensor<D>,
  options: CopyOptions & { signal?: AbortSignal },
): Promise<void> {
  const planned = plan(from, to, options);
  if (planned === null) to.data.set(from.data as never);
  else await callAsync(...planned, options.signal);
}

export function copySync<D extends DType>(from: Tensor<D>, to: Tensor<D>, options: CopyOptions): void {
  const planned = plan(from, to, options);
  if (planned === null) to.data.set(from.data as never);
  else callSync(...planned);
}
