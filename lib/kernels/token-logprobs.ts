import { checkInteger, checkKeys, checkTensor } from './check.ts';
import {
  backwardCall,
  type EntropyColumns,
  entropyColumns,
  forwardCall,
  type LogprobColumns,
  type LogprobForwardOptions,
  type LogprobOptions,
  type Logprobs,
} from './logprobs.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import { allocFor, Place } from './place.ts';
import { FLOAT_DTYPES, type FloatDType, type Tensor } from './tensor.ts';

export interface TokenLogprobsInput {
  /** [T, V], or its rows inside a wider tensor: see `vocab`. */
  logits: Tensor<FloatDType>;
  /** [T], each in [0, V) or the ignore index. */
  targets: Tensor<'i32'>;
  /** V where the rows of `logits` are longer than the vocabulary (padded heads); default: the whole row. */
  vocab?: number;
}

/** The gradient's place: [T, V] of the logits' dtype (rows as long as theirs); may be `logits` itself. */
interface GradientPlace {
  dlogits?: Tensor<FloatDType>;
}

export interface TokenLogprobsGradient
  extends TokenLogprobsInput,
    LogprobColumns,
    EntropyColumns,
    GradientPlace {}

export interface WeightedTokenLogprobsInput extends TokenLogprobsInput, GradientPlace {
  /** [T]: dL/dlogp where it is known before; default 1, the unit gradient. */
  rowWeights?: Tensor<'f32'>;
}

export interface LogprobsWithGradient extends Omit<Logprobs, 'top1'> {
  dlogits: Tensor<FloatDType>;
}

/** Rows of logits and their targets, checked. */
export function tokenInput(
  { logits, targets, vocab }: TokenLogprobsInput,
  { stream }: LogprobOptions,
): NativeArguments {
  checkTensor('logits', logits, FLOAT_DTYPES, [null, null]);
  const [rows, rowStride] = logits.shape as [number, number];
  checkTensor('targets', targets, ['i32'], [rows]);
  const width = vocab === undefined ? rowStride : checkInteger('vocab', vocab, 1, rowStride);
  return {
    ...new Place(logits, stream).native,
    ...{ logits: logits.memory, dtype: logits.dtype, rows, vocab: width, rowStride, targets: targets.memory },
  };
}

function gradientPlace(args: NativeArguments, given: TokenLogprobsInput & GradientPlace): Tensor<FloatDType> {
  const { dtype, shape } = given.logits;
  const dlogits = given.dlogits ?? allocFor(args, dtype, shape);
  return checkTensor('dlogits', dlogits, [dtype], shape);
}

/** Arguments of a backward over `input`, and where its gradient will be. */
export function prepareBackward(
  input: NativeArguments,
  given: TokenLogprobsGradient,
  options: LogprobOptions,
): [NativeArguments, Tensor<FloatDType>] {
  const args = backwardCall(input, given, options);
  const entropy = entropyColumns(given, args.rows as number);
  const dlogits = gradientPlace(args, given);
  return [{ ...args, ...entropy, dlogits: dlogits.memory, dlogitsStride: dlogits.shape[1] }, dlogits];
}

function prepareWithGradient(
  given: WeightedTokenLogprobsInput,
  options: Omit<LogprobForwardOptions, 'top1'>,
): [NativeArguments, LogprobsWithGradient] {
  checkKeys('options', options, [
    'temperature',
    'softcap',
    'ignoreIndex',
    'entropy',
    'out',
    'signal',
    'stream',
  ]);
  const [args, { logp, lse, entropy }] = forwardCall(tokenInput(given, options), options);
  const dlogits = gradientPlace(args, given);
  const { rowWeights } = given;
  const weights =
    rowWeights === undefined
      ? undefined
      : checkTensor('rowWeights', rowWeights, ['f32'], [args.rows as number]).memory;
  const places = { rowWeights: weights, dlogits: dlogits.memory, dlogitsStride: dlogits.shape[1] };
  return [
    { ...args, ...places },
    { logp, lse, entropy, dlogits },
  ];
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
  const [args, results] = forwardCall(tokenInput(given, options), options);
  await callAsync(addon().tokenLogprobs, args, options.signal);
  return results;
}

/** {@link tokenLogprobs} on the calling thread. */
export function tokenLogprobsSync(given: TokenLogprobsInput, options: LogprobForwardOptions = {}): Logprobs {
  const [args, results] = forwardCall(tokenInput(given, options), options);
  callSync(addon().tokenLogprobs, args);
  return results;
}

/**
 * Gradient of sum_t dlogp[t] logp[t] + dentropy[t] entropy[t]:
 * dlogits[t, v] = [dlogp (1[v = target] - p_v) - dentropy p_v (log p_v + entropy)] dz/dlogit.
 * Rows without a gradient are written as 0 and not read.
 */
export async function tokenLogprobsBackward(
  given: TokenLogprobsGradient,
  options: LogprobOptions & { signal?: AbortSignal } = {},
): Promise<Tensor<FloatDType>> {
  const [args, dlogits] = prepareBackward(tokenInput(given, options), given, options);
  await callAsync(addon().tokenLogprobsBackward, args, options.signal);
  return dlogits;
}

/** {@link tokenLogprobsBackward} on the calling thread. */
export function tokenLogprobsBackwardSync(
  given: TokenLogprobsGradient,
  options: LogprobOptions = {},
): Tensor<FloatDType> {
  const [args, dlogits] = prepareBackward(tokenInput(given, options), given, options);
  callSync(addon().tokenLogprobsBackward, args);
  return dlogits;
}

/**
 * Log-probs and dlogits in one call, one exponential per logit: for weights known before, or, without them, the unit
 * gradient (onehot - softmax) dz/dlogit, whose rows are weighted later (a matrix product can fold them in).
 */
export async function tokenLogprobsWithGradient(
  given: WeightedTokenLogprobsInput,
  options: Omit<LogprobForwardOptions, 'top1'> & { signal?: AbortSignal } = {},
): Promise<LogprobsWithGradient> {
  const [args, results] = prepareWithGradient(given, options);
  await callAsync(addon().tokenLogprobsWithGradient, args, options.signal);
  return results;
}

/** {@link tokenLogprobsWithGradient} on the calling thread. */
export function tokenLogprobsWithGradientSync(
  given: WeightedTokenLogprobsInput,
  options: Omit<LogprobForwardOptions, 'top1'> = {},
): LogprobsWithGradient {
  const [args, results] = prepareWithGradient(given, options);
  callSync(addon().tokenLogprobsWithGradient, args);
  return results;
}
