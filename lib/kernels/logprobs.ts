import { checkInteger, checkKeys, checkNumber, checkTensor } from './check.ts';
import type { NativeArguments } from './native.ts';
import { allocFor } from './place.ts';
import type { Stream } from './stream.ts';
import type { Tensor } from './tensor.ts';

// What token and linear log-probs share: their outputs, their options and the columns of their backward.

/** Log-probs of one target per row; all [T], f32, natural logarithms. */
export interface Logprobs {
  /** log p(target), at most 0; 0 on ignored rows. */
  logp: Tensor<'f32'>;
  /** log sum_v exp(z_v) of the tempered logits; the backward needs it. */
  lse: Tensor<'f32'>;
  /** Entropy in nats, where asked for. */
  entropy: Tensor<'f32'> | null;
  /** The most probable entry, where asked for: [T] i32, the lowest index on ties, -1 on ignored rows. */
  top1: Tensor<'i32'> | null;
}

/** Options of both log-prob operations. */
export interface LogprobOptions {
  /** Logits are divided by it, after the softcap: one for all rows, or [T]; > 0, default 1. */
  temperature?: number | Tensor<'f32'>;
  /** Logits become softcap x tanh(logit / softcap) first; > 0, default none. */
  softcap?: number;
  /** A negative target that marks rows to leave out; default -100. */
  ignoreIndex?: number;
  /** Of tensors on a device: the stream to work on; default the device's own. */
  stream?: Stream;
}

export interface LogprobForwardOptions extends LogprobOptions {
  /** Also compute the entropy. */
  entropy?: boolean;
  /** Also find the most probable entry. */
  top1?: boolean;
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

/** A loss of the entropy too: dL/dentropy, with the entropy of the forward; both or neither. */
export interface EntropyColumns {
  entropy?: Tensor<'f32'> | null;
  dentropy?: Tensor<'f32'>;
}

/** The options of a logit transform, over `rows` rows. */
export function transform({ temperature = 1, softcap }: LogprobOptions, rows: number): NativeArguments {
  const perRow = typeof temperature === 'object';
  return {
    temperature: perRow ? 1 : checkNumber('temperature', temperature, Number.MIN_VALUE, Number.MAX_VALUE),
    temperatures: perRow ? checkTensor('temperature', temperature, ['f32'], [rows]).memory : undefined,
    softcap: softcap === undefined ? 0 : checkNumber('softcap', softcap, Number.MIN_VALUE, Number.MAX_VALUE),
  };
}

/** The options of a log-prob operation, over `rows` rows. */
export function logprobOptions(options: LogprobOptions, rows: number): NativeArguments {
  return {
    ...transform(options, rows),
    ignoreIndex: checkInteger('ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), -1),
  };
}

const FORWARD_OPTIONS = [
  'temperature',
  'softcap',
  'ignoreIndex',
  'entropy',
  'top1',
  'out',
  'signal',
  'stream',
];
const BACKWARD_OPTIONS = ['temperature', 'softcap', 'ignoreIndex', 'signal', 'stream'];

/** The outputs of a forward: the caller's where given, else new. */
function forwardOutputs(args: NativeArguments, options: LogprobForwardOptions): Logprobs {
  const rows = args.rows as number;
  const { out = {}, entropy = false, top1 = false } = options;
  const place = (name: 'logp' | 'lse' | 'entropy') =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], [rows]) : allocFor(args, 'f32', [rows]);
  const index = () =>
    out.top1 ? checkTensor('out.top1', out.top1, ['i32'], [rows]) : allocFor(args, 'i32', [rows]);
  return {
    logp: place('logp'),
    lse: place('lse'),
    entropy: entropy || out.entropy ? place('entropy') : null,
    top1: top1 || out.top1 ? index() : null,
  };
}

/** Arguments of a forward call over `input`, and where its results will be. */
export function forwardCall(
  input: NativeArguments,
  options: LogprobForwardOptions,
  furtherOptions: readonly string[] = [],
): [NativeArguments, Logprobs] {
  checkKeys('options', options, [...FORWARD_OPTIONS, ...furtherOptions]);
  const results = forwardOutputs(input, options);
  const { logp, lse, entropy, top1 } = results;
  const places = { logp: logp.memory, lse: lse.memory, entropy: entropy?.memory, top1: top1?.memory };
  return [{ ...input, ...logprobOptions(options, input.rows as number), ...places }, results];
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
    checkTensor(name, columns[name], ['f32'], [input.rows as number]).memory;
  const data = { logp: column('logp'), lse: column('lse'), dlogp: column('dlogp') };
  return { ...input, ...logprobOptions(options, input.rows as number), ...data };
}

/** The entropy's columns of a backward call, checked. */
export function entropyColumns({ entropy, dentropy }: EntropyColumns, rows: number): NativeArguments {
  if (dentropy === undefined) return {};
  return {
    entropy: checkTensor('entropy', entropy, ['f32'], [rows]).memory,
    dentropy: checkTensor('dentropy', dentropy, ['f32'], [rows]).memory,
  };
}
