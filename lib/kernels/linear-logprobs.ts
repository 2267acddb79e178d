import { checkInteger, checkKeys, checkTensor, fail } from './check.ts';
import {
  backwardCall,
  forwardCall,
  type LogprobColumns,
  type LogprobForwardOptions,
  type LogprobOptions,
  type Logprobs,
} from './logprobs.ts';
import { addon, callAsync, callSync, guarded, type NativeArguments, type NativeStream } from './native.ts';
import { allocFor, Place } from './place.ts';
import { streamOn } from './storage.ts';
import type { Stream } from './stream.ts';
import { FLOAT_DTYPES, type FloatDType, Tensor } from './tensor.ts';

export interface LinearLogprobsInput {
  /** [T, H]. */
  hidden: Tensor<FloatDType>;
  /** [V, H], of the same dtype: the head. */
  weight: Tensor<FloatDType>;
  /** [T], each in [0, V) or the ignore index. */
  targets: Tensor<'i32'>;
}

export interface LinearForwardOptions extends LogprobForwardOptions {
  /** Memory from {@link keptLogits}: the logits are kept there, and the backward need not compute them again. */
  kept?: Tensor<'f32'>;
}

export interface LinearLogprobsGradient extends LinearLogprobsInput, LogprobColumns {}

export interface LinearGradients {
  /** [T, H]. */
  dhidden: Tensor<'f32'>;
  /** [V, H]; null with a frozen head. */
  dweight: Tensor<'f32'> | null;
}

export interface LinearBackwardOptions extends LogprobOptions {
  /** What the forward of the same input and options has kept. */
  kept?: Tensor<'f32'>;
  /** No gradient for the weight, and none of its work. */
  frozenHead?: boolean;
  /** Add to `out.dweight` instead of overwriting it. */
  accumulate?: boolean;
  out?: Partial<LinearGradients>;
}

export interface KeptOptions {
  /** Default "cpu". */
  device?: string;
  /** Of hidden and weight; default f32. */
  dtype?: FloatDType;
  stream?: Stream;
}

/** Floats that hold the kept logits of `rows` rows on a device. */
export function deviceKeptElements(
  stream: NativeStream,
  rows: number,
  vocab: number,
  dtype: FloatDType,
): number {
  return Math.ceil(guarded(() => addon().cudaKeptBytes({ stream, rows, vocab, dtype })) / 4);
}

/** Floats that hold the kept logits of `rows` rows on the CPU, whatever the instruction set. */
export function keptElements(rows: number, vocab: number): number {
  return Math.ceil(rows / 32) * 32 * (vocab + 63);
}

/**
 * Memory for {@link LinearForwardOptions.kept}; may be used again for as many rows, or fewer. On a device its size
 * depends on the type of hidden and weight.
 */
export function keptLogits(rows: number, vocab: number, options: KeptOptions = {}): Tensor<'f32'> {
  checkInteger('rows', rows, 0, Number.MAX_SAFE_INTEGER);
  checkInteger('vocab', vocab, 1, Number.MAX_SAFE_INTEGER);
  checkKeys('options', options, ['device', 'dtype', 'stream']);
  const { device = 'cpu', dtype = 'f32', stream } = options;
  if (device === 'cpu') return Tensor.alloc('f32', [keptElements(rows, vocab)]);
  const on = streamOn(device, stream);
  return Tensor.unwritten('f32', [deviceKeptElements(on.native, rows, vocab, dtype)], on);
}

function keptArguments(kept: Tensor<'f32'> | undefined, args: NativeArguments): NativeArguments {
  if (kept === undefined) return {};
  const { rows, vocab, dtype } = args as { rows: number; vocab: number; dtype: FloatDType };
  const stream = args.stream as NativeStream | undefined;
  const needed =
    stream === undefined ? keptElements(rows, vocab) : deviceKeptElements(stream, rows, vocab, dtype);
  const { memory, size } = checkTensor('kept', kept, ['f32'], [null]);
  if (size < needed) fail('kept', `${needed} elements or more, as keptLogits makes it`, `${size}`);
  return { kept: memory, keptCount: size };
}

function prepareForward(
  given: LinearLogprobsInput,
  options: LinearForwardOptions,
): [NativeArguments, Logprobs] {
  const [args, results] = forwardCall(input(given, options), options, ['kept']);
  return [{ ...args, ...keptArguments(options.kept, args) }, results];
}

function input(
  { hidden, weight, targets }: LinearLogprobsInput,
  { stream }: LogprobOptions,
): NativeArguments {
  checkTensor('hidden', hidden, FLOAT_DTYPES, [null, null]);
  const [rows, width] = hidden.shape as [number, number];
  checkTensor('weight', weight, [hidden.dtype], [null, width]);
  const vocab = weight.shape[0] as number;
  checkTensor('targets', targets, ['i32'], [rows]);
  return {
    ...new Place(hidden, stream).native,
    ...{ hidden: hidden.memory, weight: weight.memory, targets: targets.memory, dtype: hidden.dtype },
    ...{ rows, vocab, width, hiddenStride: width, weightStride: width },
  };
}

function prepareBackward(
  given: LinearLogprobsGradient,
  options: LinearBackwardOptions,
): [NativeArguments, LinearGradients] {
  const args = backwardCall(input(given, options), given, options, [
    'frozenHead',
    'accumulate',
    'out',
    'kept',
  ]);
  const { rows, vocab, width } = args as Record<'rows' | 'vocab' | 'width', number>;
  const { out = {}, frozenHead = false, accumulate = false } = options;
  const place = (name: keyof LinearGradients, shape: number[]) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], shape) : allocFor(args, 'f32', shape);
  const results = {
    dhidden: place('dhidden', [rows, width]),
    dweight: frozenHead ? null : place('dweight', [vocab, width]),
  };
  const places = { dhidden: results.dhidden.memory, dweight: results.dweight?.memory, accumulate };
  return [{ ...args, ...places, ...keptArguments(options.kept, args) }, results];
}

/**
 * Log-probs of the targets under logits = hidden x weight^T, without ever holding [T, V]: memory is O(T + tile).
 * Products and sums are f32 or wider whatever the input dtype.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT, before any work, for wrong shapes and targets out of range.
 */
export async function linearLogprobs(
  given: LinearLogprobsInput,
  options: LinearForwardOptions & { signal?: AbortSignal } = {},
): Promise<Logprobs> {
  const [args, results] = prepareForward(given, options);
  await callAsync(addon().linearLogprobs, args, options.signal);
  return results;
}

/** {@link linearLogprobs} on the calling thread. */
export function linearLogprobsSync(given: LinearLogprobsInput, options: LinearForwardOptions = {}): Logprobs {
  const [args, results] = prepareForward(given, options);
  callSync(addon().linearLogprobs, args);
  return results;
}

/** Gradients of sum_t dlogp[t] logp[t], in f32. Rows with dlogp = 0 cost nothing. */
export async function linearLogprobsBackward(
  given: LinearLogprobsGradient,
  options: LinearBackwardOptions & { signal?: AbortSignal } = {},
): Promise<LinearGradients> {
  const [args, results] = prepareBackward(given, options);
  await callAsync(addon().linearLogprobsBackward, args, options.signal);
  return results;
}

/** {@link linearLogprobsBackward} on the calling thread. */
export function linearLogprobsBackwardSync(
  given: LinearLogprobsGradient,
  options: LinearBackwardOptions = {},
): LinearGradients {
  const [args, results] = prepareBackward(given, options);
  callSync(addon().linearLogprobsBackward, args);
  return results;
}
