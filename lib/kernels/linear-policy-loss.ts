import { checkInteger, checkKeys, checkTensor, fail } from './check.ts';
import { chunkBackward, chunkForward, type HeadPasses, keptMemory, rowsThatFit } from './linear-chunks.ts';
import {
  type LinearLogprobsInput,
  linearLogprobs,
  linearLogprobsBackward,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from './linear-logprobs.ts';
import type { LogprobOptions } from './logprobs.ts';
import {
  DIAGNOSTICS,
  type Diagnostics,
  EXTREMA,
  type PolicyLossInput,
  type PolicyLossResult,
  policyLoss,
  policyLossSync,
} from './policy-loss.ts';
import { type Chunk, chunkSequences, slice } from './sequence-chunks.ts';
import { FLOAT_DTYPES, Tensor } from './tensor.ts';

/**
 * The head's input and the policy-loss batch of the same T = N tokens. A token with mask 0 or an ignored target is
 * left out of both: its hidden row and its columns may hold NaN.
 */
export interface LinearPolicyLossInput
  extends LinearLogprobsInput,
    Omit<PolicyLossInput, 'logp' | 'dlogp' | 'padded' | 'pairs' | 'cuSeqlens'> {
  /** [B + 1] offsets from 0 to T. */
  cuSeqlens: Int32Array | Float64Array;
}

export interface LinearPolicyLossResult {
  /** Of all chunks: sums and counts added, extrema taken. */
  diagnostics: Diagnostics;
  /** [T]; 0 on tokens left out. */
  logp: Tensor<'f32'>;
  /** [T], dL/dlogp; 0 on tokens left out. */
  dlogp: Tensor<'f32'>;
  /** [T, H]. */
  dhidden: Tensor<'f32'>;
  /** [V, H]; null with a frozen head. */
  dweight: Tensor<'f32'> | null;
}

export interface LinearPolicyLossOptions extends LogprobOptions {
  /**
   * Whole sequences of at most this many rows go through together; a longer sequence goes alone. Default: as many as
   * `kept` has room for.
   */
  chunkRows?: number;
  /**
   * Memory from `keptLogits`; default new memory of at most 256 MiB. A chunk that does not fit has its logits computed
   * a second time: four matrix products instead of three.
   */
  kept?: Tensor<'f32'>;
  /** No gradient for the weight, and none of its work. */
  frozenHead?: boolean;
  /** Add to `out.dweight` instead of overwriting it. */
  accumulate?: boolean;
  out?: Partial<Omit<LinearPolicyLossResult, 'diagnostics'>>;
}

const OPTIONS = [
  ...['temperature', 'softcap', 'ignoreIndex', 'signal'],
  ...['chunkRows', 'kept', 'frozenHead', 'accumulate', 'out'],
];
const HEAD_KEYS = ['hidden', 'weight', 'targets'] as const;
const TOKEN_COLUMNS = ['oldLogp', 'behaviourLogp', 'refLogp', 'tokenAdvantages', 'tokenWeights'] as const;
const SEQUENCE_COLUMNS = ['advantages', 'seqScale', 'nftQuality'] as const;
const DEFAULT_KEPT_BYTES = 256 * 2 ** 20;
const PAIRED = ['logistic-pair', 'square-pair', 'hinge-pair'];

interface Prepared {
  given: LinearPolicyLossInput;
  mask: Uint8Array;
  passes: HeadPasses;
  chunks: Chunk[];
  results: LinearPolicyLossResult;
}

/** Which tokens count: in the mask, and with a target. Both kernels are told the same. */
function keptTokens(
  given: LinearPolicyLossInput,
  ignoreIndex: number,
): { targets: Tensor<'i32'>; mask: Uint8Array } {
  const rows = given.targets.size;
  const vocab = given.weight.shape[0]!;
  if (given.mask !== undefined && (!(given.mask instanceof Uint8Array) || given.mask.length !== rows)) {
    fail('mask', `a Uint8Array of ${rows} elements`, String(given.mask));
  }
  const targets = Tensor.alloc('i32', [rows]);
  const mask = new Uint8Array(new SharedArrayBuffer(rows));
  for (let t = 0; t < rows; t++) {
    const target = given.targets.data[t]!;
    mask[t] = target !== ignoreIndex && (given.mask === undefined || given.mask[t] !== 0) ? 1 : 0;
    if (mask[t] === 1) checkInteger(`targets[${t}]`, target, 0, vocab - 1);
    targets.data[t] = mask[t] === 1 ? target : ignoreIndex;
  }
  return { targets, mask };
}

function places(given: LinearPolicyLossInput, options: LinearPolicyLossOptions): LinearPolicyLossResult {
  const { out = {}, frozenHead = false, accumulate = false } = options;
  checkKeys('out', out, ['logp', 'dlogp', 'dhidden', 'dweight']);
  if (accumulate && !frozenHead && !out.dweight) fail('out.dweight', 'a Tensor to add to', 'none');
  const [rows, width] = given.hidden.shape as [number, number];
  const place = (name: keyof typeof out, shape: number[]) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], shape) : Tensor.alloc('f32', shape);
  return {
    diagnostics: Object.fromEntries(DIAGNOSTICS.map((name) => [name, 0])) as Diagnostics,
    logp: place('logp', [rows]),
    dlogp: place('dlogp', [rows]),
    dhidden: place('dhidden', [rows, width]),
    dweight: frozenHead ? null : place('dweight', [given.weight.shape[0]!, width]),
  };
}

function checkInput(given: LinearPolicyLossInput, options: LinearPolicyLossOptions): void {
  const columns = ['objective', 'cuSeqlens', 'mask', ...SEQUENCE_COLUMNS, ...TOKEN_COLUMNS];
  checkKeys('input', given, [...HEAD_KEYS, ...columns]);
  checkKeys('options', options, OPTIONS);
  checkTensor('hidden', given.hidden, FLOAT_DTYPES, [null, null]);
  const [rows, width] = given.hidden.shape as [number, number];
  checkTensor('weight', given.weight, [given.hidden.dtype], [null, width]);
  checkTensor('targets', given.targets, ['i32'], [rows]);
  if (typeof options.temperature === 'object') {
    checkTensor('temperature', options.temperature, ['f32'], [rows]);
  }
  for (const name of TOKEN_COLUMNS) if (given[name]) checkTensor(name, given[name], ['f32'], [rows]);
  const kind = given.objective?.sequenceTerm?.kind ?? '';
  if (PAIRED.includes(kind)) fail('objective', 'a sequence term of one sequence, not of pairs', kind);
}

function logprobOptions({ temperature, softcap, ignoreIndex }: LogprobOptions): LogprobOptions {
  return {
    ...(temperature !== undefined && { temperature }),
    ...(softcap !== undefined && { softcap }),
    ...(ignoreIndex !== undefined && { ignoreIndex }),
  };
}

function prepare(given: LinearPolicyLossInput, options: LinearPolicyLossOptions): Prepared {
  checkInput(given, options);
  const rows = given.hidden.shape[0]!;
  const vocab = given.weight.shape[0]!;
  const kept = keptMemory(options.kept, rows, vocab, DEFAULT_KEPT_BYTES);
  const most = options.chunkRows ?? Math.max(1, rowsThatFit(kept, vocab));
  const chunkRows = checkInteger('chunkRows', most, 1, Number.MAX_SAFE_INTEGER);
  const chunks = chunkSequences(given.cuSeqlens, rows, chunkRows);
  const sequences = given.cuSeqlens.length - 1;
  for (const name of SEQUENCE_COLUMNS) {
    if (name !== 'nftQuality' || given[name] !== undefined)
      checkTensor(name, given[name], ['f32'], [sequences]);
  }
  const ignoreIndex = checkInteger('ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), -1);
  const { targets, mask } = keptTokens(given, ignoreIndex);
  const results = places(given, options);
  const { logp, dlogp, dhidden, dweight } = results;
  const passes: HeadPasses = {
    input: { hidden: given.hidden, weight: given.weight, targets },
    options: logprobOptions(options),
    columns: { logp, dlogp, lse: Tensor.alloc('f32', [rows]) },
    ...{ dhidden, dweight, accumulate: options.accumulate ?? false, kept },
  };
  const prepared = { given, mask, passes, chunks, results };
  // An empty batch runs every check of the objective and of the options before the first product.
  const nothing: Chunk = { begin: 0, end: 0, firstSequence: 0, endSequence: 0 };
  policyLossSync(lossInput(prepared, nothing));
  linearLogprobsSync(...chunkForward(passes, nothing));
  return prepared;
}

function lossInput({ given, mask, results }: Prepared, chunk: Chunk): PolicyLossInput {
  const { begin, end, firstSequence, endSequence } = chunk;
  const column = (name: (typeof TOKEN_COLUMNS)[number]) =>
    given[name] === undefined ? {} : { [name]: slice(given[name], begin, end) };
  const offsets = given.cuSeqlens.slice(firstSequence, endSequence + 1).map((offset) => offset - begin);
  const quality = given.nftQuality && { nftQuality: slice(given.nftQuality, firstSequence, endSequence) };
  return {
    objective: given.objective,
    cuSeqlens: offsets,
    mask: mask.subarray(begin, end),
    ...Object.assign({}, ...TOKEN_COLUMNS.map(column)),
    advantages: slice(given.advantages, firstSequence, endSequence),
    seqScale: slice(given.seqScale, firstSequence, endSequence),
    ...quality,
    logp: slice(results.logp, begin, end),
    dlogp: slice(results.dlogp, begin, end),
  };
}

function merge(total: Diagnostics, { diagnostics }: PolicyLossResult): void {
  for (const name of DIAGNOSTICS) {
    total[name] = EXTREMA.includes(name)
      ? Math.max(total[name], diagnostics[name])
      : total[name] + diagnostics[name];
  }
}

/**
 * The policy loss of a head: log-probs, loss and gradients to hidden and weight by chunks of whole sequences, so
 * that sequence sums are complete before any gradient is scaled. [T, V] is never held. Log-probs, `dlogp` and
 * `dhidden` have the same bits for every `chunkRows`; `dweight` is summed in the order of the chunks.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT. Outputs of a failed or aborted call are unspecified.
 */
export async function linearPolicyLoss(
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions & { signal?: AbortSignal } = {},
): Promise<LinearPolicyLossResult> {
  const prepared = prepare(given, options);
  const abort = options.signal === undefined ? {} : { signal: options.signal };
  const { passes, chunks, results } = prepared;
  for (const chunk of chunks) {
    const [input, forward] = chunkForward(passes, chunk);
    await linearLogprobs(input, { ...forward, ...abort });
    merge(results.diagnostics, await policyLoss(lossInput(prepared, chunk), abort));
    const [columns, backward] = chunkBackward(passes, chunk, chunk === chunks[0]);
    await linearLogprobsBackward(columns, { ...backward, ...abort });
  }
  return results;
}

/** {@link linearPolicyLoss} on the calling thread. */
export function linearPolicyLossSync(
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions = {},
): LinearPolicyLossResult {
  const prepared = prepare(given, options);
  const { passes, chunks, results } = prepared;
  for (const chunk of chunks) {
    linearLogprobsSync(...chunkForward(passes, chunk));
    merge(results.diagnostics, policyLossSync(lossInput(prepared, chunk)));
    linearLogprobsBackwardSync(...chunkBackward(passes, chunk, chunk === chunks[0]));
  }
  return results;
}
