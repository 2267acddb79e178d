import { checkInteger, checkKeys, checkTensor, fail } from './check.ts';
import {
  type LinearLogprobsInput,
  linearLogprobs,
  linearLogprobsBackward,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from './linear-logprobs.ts';
import type { LogprobOptions, Logprobs } from './logprobs.ts';
import {
  DIAGNOSTICS,
  type Diagnostics,
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
export interface LinearPolicyLossInput extends LinearLogprobsInput, Omit<PolicyLossInput, 'logp' | 'dlogp'> {}

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
  /** Whole sequences of at most this many rows go through together; a longer sequence goes alone. Default 4096. */
  chunkRows?: number;
  /** No gradient for the weight, and none of its work. */
  frozenHead?: boolean;
  /** Add to `out.dweight` instead of overwriting it. */
  accumulate?: boolean;
  out?: Partial<Omit<LinearPolicyLossResult, 'diagnostics'>>;
}

const OPTIONS = [
  ...['temperature', 'softcap', 'ignoreIndex', 'signal'],
  ...['chunkRows', 'frozenHead', 'accumulate', 'out'],
];
const HEAD_KEYS = ['hidden', 'weight', 'targets'] as const;
const TOKEN_COLUMNS = ['oldLogp', 'behaviourLogp', 'refLogp', 'tokenWeights'] as const;
const EXTREMA: readonly (typeof DIAGNOSTICS)[number][] = ['sMaxAbs', 'gradAbsMax'];

interface Prepared {
  given: LinearPolicyLossInput;
  options: LinearPolicyLossOptions;
  /** The targets, with the ignore index where a token is left out. */
  targets: Tensor<'i32'>;
  mask: Uint8Array;
  lse: Tensor<'f32'>;
  chunks: Chunk[];
  results: LinearPolicyLossResult;
}

/** Which tokens count: in the mask, and with a target. Both kernels are told the same. */
function keptTokens(given: LinearPolicyLossInput, ignoreIndex: number): Pick<Prepared, 'targets' | 'mask'> {
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

function prepare(given: LinearPolicyLossInput, options: LinearPolicyLossOptions): Prepared {
  const columns = ['objective', 'cuSeqlens', 'advantages', 'seqScale', 'mask', ...TOKEN_COLUMNS];
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
  const chunkRows = checkInteger('chunkRows', options.chunkRows ?? 4096, 1, Number.MAX_SAFE_INTEGER);
  const chunks = chunkSequences(given.cuSeqlens, rows, chunkRows);
  const sequences = given.cuSeqlens.length - 1;
  for (const name of ['advantages', 'seqScale'] as const)
    checkTensor(name, given[name], ['f32'], [sequences]);
  const ignoreIndex = checkInteger('ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), -1);
  const kept = keptTokens(given, ignoreIndex);
  const results = places(given, options);
  const prepared = { given, options, ...kept, lse: Tensor.alloc('f32', [rows]), chunks, results };
  // An empty batch runs every check of the objective and of the options before the first product.
  const nothing: Chunk = { begin: 0, end: 0, firstSequence: 0, endSequence: 0 };
  policyLossSync(lossInput(prepared, nothing));
  linearLogprobsSync(headInput(prepared, nothing), forwardOptions(prepared, nothing));
  return prepared;
}

function headInput({ given, targets }: Prepared, { begin, end }: Chunk): LinearLogprobsInput {
  return {
    hidden: slice(given.hidden, begin, end),
    weight: given.weight,
    targets: slice(targets, begin, end),
  };
}

function logprobOptions({ options }: Prepared, { begin, end }: Chunk): LogprobOptions {
  const { temperature, softcap, ignoreIndex } = options;
  return {
    ...(temperature === undefined
      ? {}
      : { temperature: typeof temperature === 'number' ? temperature : slice(temperature, begin, end) }),
    ...(softcap === undefined ? {} : { softcap }),
    ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
  };
}

function forwardOptions(prepared: Prepared, chunk: Chunk): LogprobOptions & { out: Partial<Logprobs> } {
  const { begin, end } = chunk;
  const out = { logp: slice(prepared.results.logp, begin, end), lse: slice(prepared.lse, begin, end) };
  return { ...logprobOptions(prepared, chunk), out };
}

function lossInput({ given, mask, results }: Prepared, chunk: Chunk): PolicyLossInput {
  const { begin, end, firstSequence, endSequence } = chunk;
  const column = (name: (typeof TOKEN_COLUMNS)[number]) =>
    given[name] === undefined ? {} : { [name]: slice(given[name], begin, end) };
  const offsets = given.cuSeqlens.slice(firstSequence, endSequence + 1).map((offset) => offset - begin);
  return {
    objective: given.objective,
    cuSeqlens: offsets,
    mask: mask.subarray(begin, end),
    ...Object.assign({}, ...TOKEN_COLUMNS.map(column)),
    advantages: slice(given.advantages, firstSequence, endSequence),
    seqScale: slice(given.seqScale, firstSequence, endSequence),
    logp: slice(results.logp, begin, end),
    dlogp: slice(results.dlogp, begin, end),
  };
}

function gradientCall(prepared: Prepared, chunk: Chunk) {
  const { results, options, lse } = prepared;
  const { begin, end } = chunk;
  const columns = {
    logp: slice(results.logp, begin, end),
    lse: slice(lse, begin, end),
    dlogp: slice(results.dlogp, begin, end),
  };
  const { frozenHead = false, accumulate = false } = options;
  const out = {
    dhidden: slice(results.dhidden, begin, end),
    ...(results.dweight === null ? {} : { dweight: results.dweight }),
  };
  const added = accumulate || chunk !== prepared.chunks[0];
  return {
    input: { ...headInput(prepared, chunk), ...columns },
    options: { ...logprobOptions(prepared, chunk), frozenHead, accumulate: added, out },
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
  for (const chunk of prepared.chunks) {
    await linearLogprobs(headInput(prepared, chunk), { ...forwardOptions(prepared, chunk), ...abort });
    merge(prepared.results.diagnostics, await policyLoss(lossInput(prepared, chunk), abort));
    const call = gradientCall(prepared, chunk);
    await linearLogprobsBackward(call.input, { ...call.options, ...abort });
  }
  return prepared.results;
}

/** {@link linearPolicyLoss} on the calling thread. */
export function linearPolicyLossSync(
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions = {},
): LinearPolicyLossResult {
  const prepared = prepare(given, options);
  for (const chunk of prepared.chunks) {
    linearLogprobsSync(headInput(prepared, chunk), forwardOptions(prepared, chunk));
    merge(prepared.results.diagnostics, policyLossSync(lossInput(prepared, chunk)));
    const call = gradientCall(prepared, chunk);
    linearLogprobsBackwardSync(call.input, call.options);
  }
  return prepared.results;
}
