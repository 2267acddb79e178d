// What the addon exports, as native/node has it.

/** Arguments cross as one plain object; see native/node for what each call reads. */
export type NativeArguments = Record<string, unknown>;
export type NativeCall = (args: NativeArguments, cancel?: Int32Array) => unknown;

export type KernelCall =
  | 'tokenLogprobs'
  | 'tokenLogprobsBackward'
  | 'tokenLogprobsWithGradient'
  | 'vocabShardStats'
  | 'vocabShardMerge'
  | 'vocabShardBackward'
  | 'linearLogprobs'
  | 'linearLogprobsBackward'
  | 'divergence'
  | 'divergenceWithGradient'
  | 'policyLoss'
  | 'policyLossReduce'
  | 'policyLossMap';

/** A policy's native half; lib/policy/policy.ts is its only user. */
export type NativePolicy = Record<
  | 'forward'
  | 'backward'
  | 'zeroGradients'
  | 'step'
  | 'stepCount'
  | 'setStepCount'
  | 'sample'
  | 'read'
  | 'write'
  | 'describe',
  NativeCall
>;

/** Device memory, or a range of it. */
export interface NativeMemory {
  view(offset: number, bytes: number): NativeMemory;
  dispose(): void;
  describe(): { alive: boolean; address: bigint };
  share(): { handle: Uint8Array; offset: number };
}

export interface NativeStream {
  address(): bigint;
  memory(): { free: number; total: number };
  trim(): void;
  dispose(): void;
}

export interface NativeEvent {
  record(stream: NativeStream): void;
  waitOn(stream: NativeStream): void;
  query(): boolean;
  elapsed(since: NativeEvent): number;
  dispose(): void;
}

/** Pinned memory of an array. */
export interface NativePin {
  dispose(): void;
}

interface NativeCuda
  extends Record<'cudaUpload' | 'cudaDownload' | 'cudaCopy' | 'cudaSynchronize', NativeCall> {
  cudaOpen(file: string): {
    path: string | null;
    driver?: number;
    runtime?: number;
    devices: { name: string; computeCapability: string; multiprocessors: number; memoryBytes: number }[];
    reason: string;
  };
  CudaMemory: new (options: NativeArguments) => NativeMemory;
  CudaStream: new (device: number) => NativeStream;
  CudaEvent: new (stream: NativeStream) => NativeEvent;
  CudaPinned: new (options: NativeArguments) => NativePin;
  /** Bytes that a device keeps of the logits of so many rows. */
  cudaKeptBytes(args: NativeArguments): number;
  addressOf(array: ArrayBufferView): bigint;
}

export interface NativeAddon extends Record<KernelCall, NativeCall>, NativeCuda {
  configure(options: { threads: number; implementation: string }): void;
  describe(): { implementation: string; threads: number; implementations: string[] };
  /** The CPU by the addon's own look, and for each implementation in the addon whether it can run here. */
  inspect(): {
    napi: number;
    cpu: string;
    features: Record<string, boolean>;
    implementations: Record<string, boolean>;
    /** Memory outside the heap that V8 knows of. */
    externalBytes: number;
  };
  abiVersion: number;
  Policy: new (config: NativeArguments) => NativePolicy;
}
