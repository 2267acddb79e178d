import { checkKeys, checkTensor, fail } from './check.ts';
import {
  chunkBackward,
  chunkForward,
  type HeadPasses,
  keptMemory,
  type Rows,
  rowsThatFit,
} from './linear-chunks.ts';
import {
  type LinearGradients,
  type LinearLogprobsInput,
  linearLogprobs,
  linearLogprobsBackward,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from './linear-logprobs.ts';
import type { LogprobOptions, Logprobs } from './logprobs.ts';
import { Place } from './place.ts';
import { FLOAT_DTYPES, type Tensor } from './tensor.ts';

/** On the CPU as much as its caches are good for; on a device a chunk should fill it. */
const DEFAULT_KEPT_BYTES = { cpu: 64 * 2 ** 20, device: 2 ** 30 };

export interface WeightedLinearLogprobsInput extends LinearLogprobsInput {
  /** [T], dL/dlogp, known before. */
  rowWeights: Tensor<'f32'>;
}

export interface LinearLogprobsWithGradient
  extends Pick<Logprobs, 'logp' | 'lse' | 'entropy'>,
    LinearGradients {}

export interface LinearWithGradientOptions extends LogprobOptions {
  /** Also compute the entropy. */
  entropy?: boolean;
  /** No gradient for the weight, and none of its work. */
  frozenHead?: boolean;
  /** Add to `out.dweight` instead of overwriting it. */
  accumulate?: boolean;
  /** Memory from `keptLogits`, whose size sets the rows of a chunk; default new memory of 64 MiB, 1 GiB on a device. */
  kept?: Tensor<'f32'>;
  out?: Partial<LinearLogprobsWithGradient>;
}

const OPTIONS = [
  'temperature',
  'softcap',
  'ignoreIndex',
  'entropy',
  'frozenHead',
  'accumulate',
  'kept',
  'out',
  'signal',
  'stream',
];

interface Prepared {
  passes: HeadPasses;
  chunks: Rows[];
  results: LinearLogprobsWithGradient;
}

function prepare(given: WeightedLinearLogprobsInput, options: LinearWithGradientOptions): Prepared {
  checkKeys('input', given, ['hidden', 'weight', 'targets', 'rowWeights']);
  checkKeys('options', options, OPTIONS);
  const { hidden, weight, targets, rowWeights } = given;
  checkTensor('hidden', hidden, FLOAT_DTYPES, [null, null]);
  const [rows, width] = hidden.shape as [number, number];
  checkTensor('weight', weight, [hidden.dtype], [null, width]);
  checkTensor('targets', targets, ['i32'], [rows]);
  const vocab = weight.shape[0]!;
  const { out = {}, frozenHead = false, accumulate = false, entropy = false } = options;
  if (accumulate && !frozenHead && !out.dweight) fail('out.dweight', 'a Tensor to add to', 'none');
  const place = new Place(hidden, options.stream);
  const output = (name: keyof LinearLogprobsWithGradient, shape: number[]) =>
    out[name] ? checkTensor(`out.${name}`, out[name], ['f32'], shape) : place.alloc('f32', shape);
  const results = {
    logp: output('logp', [rows]),
    lse: output('lse', [rows]),
    entropy: entropy || out.entropy ? output('entropy', [rows]) : null,
    dhidden: output('dhidden', [rows, width]),
    dweight: frozenHead ? null : output('dweight', [vocab, width]),
  };
  const { temperature, softcap, ignoreIndex } = options;
  const input = { hidden, weight, targets };
  const bytes = DEFAULT_KEPT_BYTES[place.stream === undefined ? 'cpu' : 'device'];
  const passes: HeadPasses = {
    ...{ place, input },
    options: {
      ...(temperature !== undefined && { temperature }),
      ...(softcap !== undefined && { softcap }),
      ...(ignoreIndex !== undefined && { ignoreIndex }),
    },
    columns: { ...results, dlogp: checkTensor('rowWeights', rowWeights, ['f32'], [rows]) },
    ...{ dhidden: results.dhidden, dweight: results.dweight, accumulate },
    kept: keptMemory(place, input, options.kept, bytes),
  };
  const most = rowsThatFit(place, input, passes.kept.size, rows);
  return { passes, chunks: chunksOf(rows, most), results };
}

/** Runs of `most` rows, or all at once where not even a few rows' logits can be kept. */
function chunksOf(rows: number, most: number): Rows[] {
  const size = most === 0 ? Math.max(rows, 1) : most;
  const count = Math.max(1, Math.ceil(rows / size));
  return Array.from({ length: count }, (_, i) => ({ begin: i * size, end: Math.min(rows, (i + 1) * size) }));
}

/**
 * Log-probs, and the gradients of sum_t rowWeights[t] logp[t] to hidden and weight, for weights that are known
 * before: three matrix products by keeping the logits of a chunk of rows between its forward and its backward.
 * Log-probs and `dhidden` have the same bits whatever the chunks; `dweight` is summed in their order.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT. Outputs of a failed or aborted call are unspecified.
 */
export async function linearLogprobsWithGradient(
  given: WeightedLinearLogprobsInput,
  options: LinearWithGradientOptions & { signal?: AbortSignal } = {},
): Promise<LinearLogprobsWithGradient> {
  if (given.hidden?.device !== 'cpu') return onDevice(given, options);
  const { passes, chunks, results } = prepare(given, options);
  const abort = options.signal === undefined ? {} : { signal: options.signal };
  for (const rows of chunks) {
    const [input, forward] = chunkForward(passes, rows);
    await linearLogprobs(input, { ...forward, ...abort });
    const [columns, backward] = chunkBackward(passes, rows, rows === chunks[0]);
    await linearLogprobsBackward(columns, { ...backward, ...abort });
  }
  return results;
}

/** {@link linearLogprobsWithGradient} on the calling thread. */
export function linearLogprobsWithGradientSync(
  given: WeightedLinearLogprobsInput,
  options: LinearWithGradientOptions = {},
): LinearLogprobsWithGradient {
  const { passes, chunks, results } = prepare(given, options);
  try {
    for (const rows of chunks) {
      linearLogprobsSync(...chunkForward(passes, rows));
      linearLogprobsBackwardSync(...chunkBackward(passes, rows, rows === chunks[0]));
    }
  } catch (error) {
    passes.place.fail();
    throw error;
  }
  passes.place.end();
  return results;
}

/** All chunks are put on the stream at once; one wait is enough. */
async function onDevice(
  given: WeightedLinearLogprobsInput,
  { signal, ...options }: LinearWithGradientOptions & { signal?: AbortSignal },
): Promise<LinearLogprobsWithGradient> {
  signal?.throwIfAborted();
  const results = linearLogprobsWithGradientSync(given, options);
  await new Place(given.hidden, options.stream).stream?.synchronize();
  return results;
}
