import { addon, type KernelCall, type NativeArguments } from '../../lib/kernels/native.ts';

/**
 * A valid, tiny argument object for each native kernel call, as native/node/kernels.cc reads it: the boundary is
 * tested below the TypeScript checks, since a wrong view there would read foreign memory.
 */
const ROWS = { rows: 2, vocab: 5, ignoreIndex: -100, temperature: 1, softcap: 0, dtype: 'f32' };
/** Floats of kept logits that suffice for these rows whatever the instruction set. */
const KEPT = 32 * (5 + 63);
const LOSS = {
  ...{ gate: 1, ratioAnchor: 1, clipLow: 0.2, clipHigh: 0.2, sequenceTerm: 1, sequenceAnchor: 3, tau: 0.1 },
  ...{ tokens: 3, sequences: 2 },
};

function f32(...values: number[]): Float32Array {
  return Float32Array.from(values);
}

function lossArguments(): NativeArguments {
  return {
    ...LOSS,
    cuSeqlens: Int32Array.of(0, 1, 3),
    logp: f32(-1, -2, -3),
    oldLogp: f32(-1.1, -2, -2.9),
    behaviourLogp: f32(-1, -1, -1),
    refLogp: f32(-1, -2.5, -3),
    advantages: f32(1, -1),
    tokenWeights: f32(1, 0.5, 1),
    mask: Uint8Array.of(1, 1, 0),
    seqScale: f32(1, 0.5),
    stats: new Float64Array(10),
    dlogp: new Float32Array(3),
    diagnostics: new Float64Array(45),
  };
}

function reduceArguments(): NativeArguments {
  const { advantages, tokenWeights, seqScale, dlogp, diagnostics, ...rest } = lossArguments();
  return rest;
}

function logits(): Float32Array {
  return Float32Array.from({ length: 10 }, (_, i) => Math.sin(i));
}

function forwardOutputs(): NativeArguments {
  return { logp: new Float32Array(2), lse: new Float32Array(2), entropy: new Float32Array(2) };
}

function headArguments(): NativeArguments {
  return {
    ...ROWS,
    ...{ width: 3, hiddenStride: 3, weightStride: 3 },
    hidden: f32(1, 2, 3, -1, 0, 1),
    weight: Float32Array.from({ length: 15 }, (_, i) => Math.cos(i)),
    targets: Int32Array.of(1, 4),
  };
}

function gradientInputs(): NativeArguments {
  return { logp: f32(-1, -2), lse: f32(2, 1), dlogp: f32(1, -1) };
}

const PAIR = {
  ...{ kind: 2, beta: 0.5, rows: 2, vocab: 5 },
  ...{ studentDtype: 'f32', studentStride: 5, studentTemperature: 1, studentSoftcap: 0 },
  ...{ teacherDtype: 'f32', teacherStride: 5, teacherTemperature: 1, teacherSoftcap: 0 },
};

function pairArguments(): NativeArguments {
  return {
    ...{ ...PAIR, student: logits(), teacher: logits().reverse() },
    ...{ mask: Uint8Array.of(1, 1), value: new Float32Array(2) },
  };
}

export const VALID: Record<KernelCall, () => NativeArguments> = {
  tokenLogprobs: () => ({
    ...{ ...ROWS, rowStride: 5, logits: logits(), targets: Int32Array.of(1, 4) },
    ...forwardOutputs(),
  }),
  tokenLogprobsBackward: () => ({
    ...{ ...ROWS, rowStride: 5, dlogitsStride: 5, logits: logits(), targets: Int32Array.of(1, 4) },
    ...gradientInputs(),
    dlogits: new Float32Array(10),
  }),
  tokenLogprobsWithGradient: () => ({
    ...{ ...ROWS, rowStride: 5, dlogitsStride: 5, logits: logits(), targets: Int32Array.of(1, 4) },
    ...{ rowWeights: f32(1, -2), ...forwardOutputs(), dlogits: new Float32Array(10) },
  }),
  vocabShardStats: () => ({
    ...{ ...ROWS, rowStride: 5, begin: 3, logits: logits(), targets: Int32Array.of(4, 1) },
    ...{ wantEntropy: true, stats: new Float64Array(10) },
  }),
  vocabShardMerge: () => ({
    ...{ shards: 2, rows: 2, ...forwardOutputs(), lseLow: new Float32Array(2) },
    stats: Float64Array.of(1, 2, -0.5, 0.5, 1, 0, 1, 0, 0, 0, 0.2, 1.5, -0.1, 0, 0, 1, 2, -1, 0.3, 1),
  }),
  vocabShardBackward: () => ({
    ...{ ...ROWS, rowStride: 5, dlogitsStride: 5, begin: 3, logits: logits() },
    ...{ targets: Int32Array.of(4, 1), ...gradientInputs(), lseLow: f32(1e-8, -1e-8) },
    dlogits: new Float32Array(10),
  }),
  linearLogprobs: () => ({
    ...{ ...headArguments(), ...forwardOutputs(), top1: new Int32Array(2) },
    ...{ kept: new Float32Array(KEPT), keptCount: KEPT },
  }),
  linearLogprobsBackward: () => ({
    ...headArguments(),
    ...gradientInputs(),
    ...{ dhidden: new Float32Array(6), dweight: new Float32Array(15), accumulate: false },
    ...{ kept: Float32Array.from({ length: KEPT }, (_, i) => Math.sin(i)), keptCount: KEPT },
  }),
  divergence: pairArguments,
  divergenceWithGradient: () => ({
    ...pairArguments(),
    ...{ rowWeights: f32(1, -2), dstudentStride: 5, dstudent: new Float32Array(10) },
  }),
  policyLoss: lossArguments,
  policyLossReduce: reduceArguments,
  policyLossMap: () => ({ ...lossArguments(), stats: Float64Array.of(1, 0, 0, 0, 0, 1, 0.5, 0, 0, 0) }),
};

export const CALLS = Object.keys(VALID) as KernelCall[];

/** What each call writes. */
const OUTPUTS: Record<KernelCall, readonly string[]> = {
  tokenLogprobs: ['logp', 'lse', 'entropy'],
  tokenLogprobsBackward: ['dlogits'],
  tokenLogprobsWithGradient: ['logp', 'lse', 'entropy', 'dlogits'],
  vocabShardStats: ['stats'],
  vocabShardMerge: ['logp', 'lse', 'entropy', 'lseLow'],
  vocabShardBackward: ['dlogits'],
  linearLogprobs: ['logp', 'lse', 'entropy', 'top1', 'kept'],
  linearLogprobsBackward: ['dhidden', 'dweight'],
  divergence: ['value'],
  divergenceWithGradient: ['value', 'dstudent'],
  policyLoss: ['stats', 'dlogp', 'diagnostics'],
  policyLossReduce: ['stats'],
  policyLossMap: ['dlogp', 'diagnostics'],
};

export function outputNames(call: KernelCall): readonly string[] {
  return OUTPUTS[call];
}

export function inputNames(call: KernelCall): string[] {
  return viewNames(call).filter((name) => !OUTPUTS[call].includes(name));
}

export function viewNames(call: KernelCall): string[] {
  const args = VALID[call]();
  return Object.keys(args).filter((name) => ArrayBuffer.isView(args[name]));
}

export function numberNames(call: KernelCall): string[] {
  const args = VALID[call]();
  return Object.keys(args).filter((name) => typeof args[name] === 'number');
}

export type View = Float32Array | Float64Array | Int32Array | Uint16Array | Uint8Array;

/** A copy of all outputs, to compare. */
export function outputsOf(call: KernelCall, args: NativeArguments): Record<string, View> {
  return Object.fromEntries(OUTPUTS[call].map((name) => [name, (args[name] as View).slice()]));
}

export function runSync(call: KernelCall, args: NativeArguments): void {
  addon()[call](args);
}

/** The raw asynchronous form; `cancel` is the flag that an abort raises. */
export async function runAsync(
  call: KernelCall,
  args: NativeArguments,
  cancel: Int32Array = new Int32Array(new SharedArrayBuffer(4)),
): Promise<void> {
  await addon()[call](args, cancel);
}

/** What a correct synchronous call gives. */
export function expectedOutputs(call: KernelCall): Record<string, View> {
  const args = VALID[call]();
  runSync(call, args);
  return outputsOf(call, args);
}

/** Takes the memory of `view` away, as a transfer to a worker does. */
export function detach(view: View): void {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
}

/** The same numbers over shared memory. */
export function shared<T extends View>(view: T): T {
  const make = view.constructor as new (buffer: SharedArrayBuffer) => T;
  const copy = new make(new SharedArrayBuffer(view.byteLength));
  copy.set(view as never);
  return copy;
}
