import { checkTensor } from './check.ts';
import {
  backwardCall,
  forwardCall,
  type LogprobColumns,
  type LogprobForwardOptions,
  type LogprobOptions,
  type Logprobs,
} from './logprobs.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import { FLOAT_DTYPES, type FloatDType, Tensor } from './tensor.ts';

export interface LinearLogprobsInput {
  /** [T, H]. */
  hidden: Tensor<FloatDType>;
  /** [V, H], of the same dtype: the head. */
  weight: Tensor<FloatDType>;
  /** [T], each in [0, V) or the ignore index. */
  targets: Tensor<'i32'>;
}

export interface LinearLogprobsGradient extends LinearLogprobsInput, LogprobColumns {}

export interface LinearGradients {
  /** [T, H]. */
  dhidden: Tensor<'f32'>;
  /** [V, H]; null with a frozen head. */
  dweight: Tensor<'f32'> | null;
}

export interface LinearBackwardOptions extends LogprobOptions {
  /** No gradient for the weight, and none of its work. */
  frozenHead?: boolean;
  /** Add to `out.dweight` instead of overwriting it. */
  accumulate?: boolean;
  out?: Partial<LinearGradients>;
}

function input({ hidden, weight, targets }: LinearLogprobsInput): NativeArguments {
  checkTensor('hidden', hidden, FLOAT_DTYPES, [null, null]);
  const [rows, width] = hidden.shape as [number, number];
  checkTensor('weight', weight, [hidden.dtype], [null, width]);
  const vocab = weight.shape[0] as number;
  checkTensor('targets', targets, ['i32'], [rows]);
  return {
    ...{ hidden: hidden.data, weight: weight.data, targets: targets.data, dtype: hidden.dtype },
    ...{ rows, vocab, width, hiddenStride: width, weightStride: width },
  };
}

function prepareBackward(
  given: LinearLogprobsGradient,
  options: LinearBackwardOptions,
): [NativeArguments, LinearGradients] {
  const args = backwardCall(input(given), given, options, ['frozenHead', 'accumulate', 'out']);
  const { rows, vocab, width } = args as Record<'rows' | 'vocab' | 'width', number>;
  const { out = {}, frozenHead = false, accumulate = false } = options;
  const place = (name: keyof LinearGradients, shape: number[]) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], shape) : Tensor.alloc('f32', shape);
  const results = {
    dhidden: place('dhidden', [rows, width]),
    dweight: frozenHead ? null : place('dweight', [vocab, width]),
  };
  return [{ ...args, dhidden: results.dhidden.data, dweight: results.dweight?.data, accumulate }, results];
}

/**
 * Log-probs of the targets under logits = hidden x weight^T, without ever holding [T, V]: memory is O(T + tile).
 * Products and sums are f32 or wider whatever the input dtype.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT, before any work, for wrong shapes and targets out of range.
 */
export async function linearLogprobs(
  given: LinearLogprobsInput,
  options: LogprobForwardOptions & { signal?: AbortSignal } = {},
): Promise<Logprobs> {
  const [args, results] = forwardCall(input(given), options);
  await callAsync(addon().linearLogprobs, args, options.signal);
  return results;
}

/** {@link linearLogprobs} on the calling thread. */
export function linearLogprobsSync(
  given: LinearLogprobsInput,
  options: LogprobForwardOptions = {},
): Logprobs {
  const [args, results] = forwardCall(input(given), options);
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
