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

export interface TokenLogprobsInput {
  /** [T, V]. */
  logits: Tensor<FloatDType>;
  /** [T], each in [0, V) or the ignore index. */
  targets: Tensor<'i32'>;
}

export interface TokenLogprobsGradient extends TokenLogprobsInput, LogprobColumns {
  /** [T, V] of the logits' dtype: the gradient's place; may be `logits` itself. Default: a new tensor. */
  dlogits?: Tensor<FloatDType>;
}

function input({ logits, targets }: TokenLogprobsInput): NativeArguments {
  checkTensor('logits', logits, FLOAT_DTYPES, [null, null]);
  const [rows, vocab] = logits.shape as [number, number];
  checkTensor('targets', targets, ['i32'], [rows]);
  return { logits: logits.data, dtype: logits.dtype, rows, vocab, rowStride: vocab, targets: targets.data };
}

function prepareBackward(
  given: TokenLogprobsGradient,
  options: LogprobOptions,
): [NativeArguments, Tensor<FloatDType>] {
  const args = backwardCall(input(given), given, options);
  const { rows, vocab } = args as { rows: number; vocab: number };
  const dlogits = given.dlogits ?? Tensor.alloc(given.logits.dtype, [rows, vocab]);
  checkTensor('dlogits', dlogits, [given.logits.dtype], [rows, vocab]);
  return [{ ...args, dlogits: dlogits.data, dlogitsStride: vocab }, dlogits];
}

/**
 * Log-probs of the targets: z = logits / temperature, logp = z_target - log sum_v exp(z_v).
 * Vocabulary entries of -inf have probability 0. Off the event loop; see {@link tokenLogprobsSync} for the twin.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT, before any work, for wrong shapes and targets out of range.
 */
export async function tokenLogprobs(
  given: TokenLogprobsInput,
  options: LogprobForwardOptions & { signal?: AbortSignal } = {},
): Promise<Logprobs> {
  const [args, results] = forwardCall(input(given), options);
  await callAsync(addon().tokenLogprobs, args, options.signal);
  return results;
}

/** {@link tokenLogprobs} on the calling thread. */
export function tokenLogprobsSync(given: TokenLogprobsInput, options: LogprobForwardOptions = {}): Logprobs {
  const [args, results] = forwardCall(input(given), options);
  callSync(addon().tokenLogprobs, args);
  return results;
}

/** dlogits[t, v] = dlogp[t] (1[v = target] - p_v) / temperature. Rows with dlogp = 0 are written as 0, not read. */
export async function tokenLogprobsBackward(
  given: TokenLogprobsGradient,
  options: LogprobOptions & { signal?: AbortSignal } = {},
): Promise<Tensor<FloatDType>> {
  const [args, dlogits] = prepareBackward(given, options);
  await callAsync(addon().tokenLogprobsBackward, args, options.signal);
  return dlogits;
}

/** {@link tokenLogprobsBackward} on the calling thread. */
export function tokenLogprobsBackwardSync(
  given: TokenLogprobsGradient,
  options: LogprobOptions = {},
): Tensor<FloatDType> {
  const [args, dlogits] = prepareBackward(given, options);
  callSync(addon().tokenLogprobsBackward, args);
  return dlogits;
}
