import { LapidaryError } from '../errors.ts';
import { addon, guarded } from './native.ts';
import type { DType, Tensor } from './tensor.ts';

/** The fields of a DLTensor (https://dmlc.github.io/dlpack), for libraries that take an address. */
export interface DLPack {
  /** The address of the first element less `byteOffset`. */
  data: bigint;
  /** kDLCPU = 1, kDLCUDA = 2. */
  device: { type: 1 | 2; id: number };
  /** kDLInt = 0, kDLFloat = 2, kDLBfloat = 4. */
  dtype: { code: 0 | 2 | 4; bits: number; lanes: 1 };
  shape: number[];
  /** In elements; rows follow each other. */
  strides: number[];
  byteOffset: number;
}

/** Memory of another process: see {@link Tensor.fromIpc}. */
export interface IpcHandle {
  /** A cudaIpcMemHandle_t. */
  handle: Uint8Array;
  /** Bytes from the start of that memory to the tensor. */
  offset: number;
}

const TYPES: Record<DType, DLPack['dtype']> = {
  f32: { code: 2, bits: 32, lanes: 1 },
  bf16: { code: 4, bits: 16, lanes: 1 },
  f16: { code: 2, bits: 16, lanes: 1 },
  i32: { code: 0, bits: 32, lanes: 1 },
};

function addressOf(tensor: Tensor): bigint {
  if (tensor.device === 'cpu') return addon().addressOf(tensor.data);
  if (!tensor.disposed) return tensor.deviceMemory().describe().address;
  throw new LapidaryError('ERR_LAPIDARY_STATE', 'tensor: it has been disposed of', { argument: 'tensor' });
}

export function dlpack(tensor: Tensor): DLPack {
  const { device, dtype, shape } = tensor;
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((product, extent) => product * extent, 1));
  return {
    data: addressOf(tensor),
    device: device === 'cpu' ? { type: 1, id: 0 } : { type: 2, id: Number(device.slice('cuda:'.length)) },
    ...{ dtype: TYPES[dtype], shape: [...shape], strides, byteOffset: 0 },
  };
}

export function ipcHandle(tensor: Tensor): IpcHandle {
  return guarded(() => tensor.deviceMemory().share());
}
