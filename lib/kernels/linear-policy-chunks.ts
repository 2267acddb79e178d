import { checkInteger, checkKeys, checkTensor, fail } from './check.ts';
import { DIAGNOSTICS, type Diagnostics } from './diagnostics.ts';
import { type HeadPasses, keptMemory, rowsThatFit } from './linear-chunks.ts';
import type {
  LinearPolicyLossInput,
  LinearPolicyLossOptions,
  LinearPolicyLossResult,
} from './linear-policy-loss.ts';
import type { LogprobOptions } from './logprobs.ts';
import { Place } from './place.ts';
import type { PolicyLossInput } from './policy-loss.ts';
import { type Chunk, chunkSequences, slice } from './sequence-chunks.ts';
import { FLOAT_DTYPES, Tensor } from './tensor.ts';

// What a linear policy loss works on: its arguments checked, cut into chunks, with places for the results.

const OPTIONS = [
  ...['temperature', 'softcap', 'ignoreIndex', 'signal', 'stream'],
  ...['chunkRows', 'kept', 'frozenHead', 'accumulate', 'out'],
];
const HEAD_KEYS = ['hidden', 'weight', 'targets'] as const;
const TOKEN_COLUMNS = ['oldLogp', 'behaviourLogp', 'refLogp', 'tokenAdvantages', 'tokenWeights'] as const;
const SEQUENCE_COLUMNS = ['advantages', 'seqScale', 'nftQuality'] as const;
/** On the CPU enough rows to read the weight seldom; on a device a chunk should fill it. */
const DEFAULT_KEPT_BYTES = { cpu: 256 * 2 ** 20, device: 2 ** 30 };
const PAIRED = ['logistic-pair', 'square-pair', 'hinge-pair'];

export interface Prepared {
  given: LinearPolicyLossInput;
  mask: Uint8Array;
  passes: HeadPasses;
  chunks: Chunk[];
  results: LinearPolicyLossResult;
}

/** Which tokens count: in the mask, and with a target. Both kernels are told the same. */
function keptTokens(
  given: LinearPolicyLossInput,
  hostTargets: Tensor<'i32'>,
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
    const target = hostTargets.data[t]!;
    mask[t] = target !== ignoreIndex && (given.mask === undefined || given.mask[t] !== 0) ? 1 : 0;
    if (mask[t] === 1) checkInteger(`targets[${t}]`, target, 0, vocab - 1);
    targets.data[t] = mask[t] === 1 ? target : ignoreIndex;
  }
  return { targets, mask };
}

function places(
  place: Place,
  given: LinearPolicyLossInput,
  options: LinearPolicyLossOptions,
): LinearPolicyLossResult {
  const { out = {}, frozenHead = false, accumulate = false } = options;
  checkKeys('out', out, ['logp', 'dlogp', 'dhidden', 'dweight']);
  if (accumulate && !frozenHead && !out.dweight) fail('out.dweight', 'a Tensor to add to', 'none');
  const [rows, width] = given.hidden.shape as [number, number];
  const output = (name: keyof typeof out, shape: number[]) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], shape) : place.alloc('f32', shape);
  return {
    diagnostics: Object.fromEntries(DIAGNOSTICS.map((name) => [name, 0])) as Diagnostics,
    logp: output('logp', [rows]),
    dlogp: output('dlogp', [rows]),
    dhidden: output('dhidden', [rows, width]),
    dweight: frozenHead ? null : output('dweight', [given.weight.shape[0]!, width]),
  };
}

export function checkInput(given: LinearPolicyLossInput, options: LinearPolicyLossOptions): void {
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

/** The call's arguments, checked, with `targets` on the host wherever the others are. */
export function prepare(
  given: LinearPolicyLossInput,
  targets: Tensor<'i32'>,
  options: LinearPolicyLossOptions,
): Prepared {
  const rows = given.hidden.shape[0]!;
  const place = new Place(given.hidden, options.stream);
  const bytes = DEFAULT_KEPT_BYTES[place.stream === undefined ? 'cpu' : 'device'];
  const kept = keptMemory(place, given, options.kept, bytes);
  const most = options.chunkRows ?? Math.max(1, rowsThatFit(place, given, kept.size, rows));
  const chunkRows = checkInteger('chunkRows', most, 1, Number.MAX_SAFE_INTEGER);
  const chunks = chunkSequences(given.cuSeqlens, rows, chunkRows);
  const sequences = given.cuSeqlens.length - 1;
  for (const name of SEQUENCE_COLUMNS) {
    if (name !== 'nftQuality' || given[name] !== undefined)
      checkTensor(name, given[name], ['f32'], [sequences]);
  }
  const ignoreIndex = checkInteger('ignoreIndex', options.ignoreIndex ?? -100, -(2 ** 31), -1);
  const counted = keptTokens(given, targets, ignoreIndex);
  const results = places(place, given, options);
  const { logp, dlogp, dhidden, dweight } = results;
  const passes: HeadPasses = {
    ...{ place, options: logprobOptions(options) },
    input: { hidden: given.hidden, weight: given.weight, targets: there(place, counted.targets) },
    columns: { logp, dlogp, lse: place.temporary('f32', [rows]) },
    ...{ dhidden, dweight, accumulate: options.accumulate ?? false, kept },
  };
  return { given, mask: counted.mask, passes, chunks, results };
}

function there(place: Place, targets: Tensor<'i32'>): Tensor<'i32'> {
  if (place.stream === undefined) return targets;
  return place.temporary('i32', targets.shape).copyFromSync(targets, { stream: place.stream });
}

/** An empty chunk: it runs every check of the objective and of the options before the first product. */
export const NOTHING: Chunk = { begin: 0, end: 0, firstSequence: 0, endSequence: 0 };

export function lossInput({ given, mask, results }: Prepared, chunk: Chunk): PolicyLossInput {
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
