import { checkInteger, checkKeys, checkNumber, checkTensor } from './check.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import { Tensor } from './tensor.ts';

/** Log-probs of one target per row; all [T], f32, natural logarithms. */
export interface Logprobs {
  /** log p(target), at most 0; 0 on ignored rows. */
  logp: Tensor<'f32'>;
  /** log sum_v exp(z_v) of the tempered logits; the backward needs it. */
  lse: Tensor<'f32'>;
  /** Entropy in nats, where asked for. */
  entropy: Tensor<'f32'> | null;
}

/** Options of both log-prob operations. */
export interface LogprobOptions {
  /** Logits are divided by it; > 0, default 1. */
  temperature?: number;
  /** A negative target that marks rows to leave out; default -100. */
  ignoreIndex?: number;
}

export interface LogprobForwardOptions extends LogprobOptions {
  /** Also compute the entropy. */
  entropy?: boolean;
  /** Buffers to write to; without them new ones are made. First writes to fresh memory are slow: reuse these. */
  out?: Partial<Logprobs>;
}

export interface TokenLogprobsInput {
  /** [T, V]. */
  logits: Tensor<'f32' | 'bf16'>;
  /** [T], each in [0, V) or the ignore index. */
  targets: Tensor<'i32'>;
}

export interface TokenLogprobsGradient extends TokenLogprobsInput {
  /** [T], what the forward gave. */
  logp: Tensor<'f32'>;
  lse: Tensor<'f32'>;
  /** [T], dL/dlogp. */
  dlogp: Tensor<'f32'>;
  /** [T, V] of the logits' dtype: the gradient's place; may be `logits` itself. Default: a new tensor. */
  dlogits?: Tensor<'f32' | 'bf16'>;
}

export function logprobOptions(options: LogprobOptions): NativeArguments {
  return {
    temperature: checkNumber('temperature', options.temperature ?? 1, Number.MIN_VALUE, Number.MAX_VALUE),
    ignoreIndex: checkInteger('ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), -1),
  };
}

export const FORWARD_OPTIONS = ['temperature', 'ignoreIndex', 'entropy', 'out', 'signal'];
export const BACKWARD_OPTIONS = ['temperature', 'ignoreIndex', 'signal'];

/** The three outputs of a forward: the caller's where given, else new. */
export function forwardOutputs(rows: number, options: LogprobForwardOptions): Logprobs {
  const { out = {}, entropy = false } = options;
  const place = (name: keyof Logprobs) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], [rows]) : Tensor.alloc('f32', [rows]);
  return {
    logp: place('logp'),
    lse: place('lse'),
    entropy: entropy || out.entropy ? place('entropy') : null,
  };
}

function input({ logits, targets }: TokenLogprobsInput): NativeArguments {
  checkTensor('logits', logits, ['f32', 'bf16'], [null, null]);
  const [rows, vocab] = logits.shape as [number, number];
  checkTensor('targets', targets, ['i32'], [rows]);
  return { logits: logits.data, dtype: logits.dtype, rows, vocab, rowStride: vocab, targets: targets.data };
}

function prepareForward(
  given: TokenLogprobsInput,
  options: LogprobForwardOptions,
): [NativeArguments, Logprobs] {
  checkKeys('options', options, FORWARD_OPTIONS);
  const args = input(given);
  const results = forwardOutputs(args.rows as number, options);
  const { logp, lse, entropy } = results;
  return [
    { ...args, ...logprobOptions(options), logp: logp.data, lse: lse.data, entropy: entropy?.data },
    results,
  ];
}

function prepareBackward(
  given: TokenLogprobsGradient,
  options: LogprobOptions,
): [NativeArguments, Tensor<'f32' | 'bf16'>] {
  checkKeys('options', options, BACKWARD_OPTIONS);
  const args = input(given);
  const { rows, vocab } = args as { rows: number; vocab: number };
  const dlogits = given.dlogits ?? Tensor.alloc(given.logits.dtype, [rows, vocab]);
  checkTensor('dlogits', dlogits, [given.logits.dtype], [rows, vocab]);
  const vectors = Object.fromEntries(
    (['logp', 'lse', 'dlogp'] as const).map((name) => [
      name,
      checkTensor(name, given[name], ['f32'], [rows]).data,
    ]),
  );
  return [
    { ...args, ...logprobOptions(options), ...vectors, dlogits: dlogits.data, dlogitsStride: vocab },
    dlogits,
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
  const [args, results] = prepareForward(given, options);
  await callAsync(addon().tokenLogprobs, args, options.signal);
  return results;
}

/** {@link tokenLogprobs} on the calling thread. */
export function tokenLogprobsSync(given: TokenLogprobsInput, options: LogprobForwardOptions = {}): Logprobs {
  const [args, results] = prepareForward(given, options);
  callSync(addon().tokenLogprobs, args);
  return results;
}

/** dlogits[t, v] = dlogp[t] (1[v = target] - p_v) / temperature. Rows with dlogp = 0 are written as 0, not read. */
export async function tokenLogprobsBackward(
  given: TokenLogprobsGradient,
  options: LogprobOptions & { signal?: AbortSignal } = {},
): Promise<Tensor<'f32' | 'bf16'>> {
  const [args, dlogits] = prepareBackward(given, options);
  await callAsync(addon().tokenLogprobsBackward, args, options.signal);
  return dlogits;
}

/** {@link tokenLogprobsBackward} on the calling thread. */
export function tokenLogprobsBackwardSync(
  given: TokenLogprobsGradient,
  options: LogprobOptions = {},
): Tensor<'f32' | 'bf16'> {
  const [args, dlogits] = prepareBackward(given, options);
  callSync(addon().tokenLogprobsBackward, args);
  return dlogits;
}
