import { checkInteger, checkKeys, checkNumber, checkTensor } from './check.ts';
import type { NativeArguments } from './native.ts';
import { Tensor } from './tensor.ts';

// What token and linear log-probs share: their outputs, their options and the columns of their backward.

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

/** What a backward takes from the forward and from the loss, all [T]. */
export interface LogprobColumns {
  logp: Tensor<'f32'>;
  lse: Tensor<'f32'>;
  /** dL/dlogp. */
  dlogp: Tensor<'f32'>;
}

function logprobOptions(options: LogprobOptions): NativeArguments {
  return {
    temperature: checkNumber('temperature', options.temperature ?? 1, Number.MIN_VALUE, Number.MAX_VALUE),
    ignoreIndex: checkInteger('ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), -1),
  };
}

const FORWARD_OPTIONS = ['temperature', 'ignoreIndex', 'entropy', 'out', 'signal'];
const BACKWARD_OPTIONS = ['temperature', 'ignoreIndex', 'signal'];

/** The three outputs of a forward: the caller's where given, else new. */
function forwardOutputs(rows: number, options: LogprobForwardOptions): Logprobs {
  const { out = {}, entropy = false } = options;
  const place = (name: keyof Logprobs) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], [rows]) : Tensor.alloc('f32', [rows]);
  return {
    logp: place('logp'),
    lse: place('lse'),
    entropy: entropy || out.entropy ? place('entropy') : null,
  };
}

/** Arguments of a forward call over `input`, and where its results will be. */
export function forwardCall(
  input: NativeArguments,
  options: LogprobForwardOptions,
): [NativeArguments, Logprobs] {
  checkKeys('options', options, FORWARD_OPTIONS);
  const results = forwardOutputs(input.rows as number, options);
  const { logp, lse, entropy } = results;
  const places = { logp: logp.data, lse: lse.data, entropy: entropy?.data };
  return [{ ...input, ...logprobOptions(options), ...places }, results];
}

/** Arguments of a backward call over `input`, its places for gradients left out. */
export function backwardCall(
  input: NativeArguments,
  columns: LogprobColumns,
  options: LogprobOptions,
  furtherOptions: readonly string[] = [],
): NativeArguments {
  checkKeys('options', options, [...BACKWARD_OPTIONS, ...furtherOptions]);
  const column = (name: keyof LogprobColumns) =>
    checkTensor(name, columns[name], ['f32'], [input.rows as number]).data;
  const data = { logp: column('logp'), lse: column('lse'), dlogp: column('dlogp') };
  return { ...input, ...logprobOptions(options), ...data };
}
