import { fail } from './argument.ts';
import { checkInteger, checkKeys, checkTensor } from './check.ts';
import { type EntropyColumns, type LogprobColumns, type LogprobOptions, logprobOptions } from './logprobs.ts';
import { addon, callAsync, callSync, type NativeArguments } from './native.ts';
import { type FloatDType, Tensor } from './tensor.ts';
import { prepareBackward as prepareGradient, type TokenLogprobsInput, tokenInput } from './token-logprobs.ts';

/** One rank's columns of the logits. */
export interface VocabShard extends TokenLogprobsInput {
  /** [T, V]: columns `begin` to `begin + V` of the whole vocabulary. */
  logits: Tensor<FloatDType>;
  /** [T], of the whole vocabulary: 0 or more, or the ignore index. */
  targets: Tensor<'i32'>;
  /** The first column's place in the whole vocabulary. */
  begin: number;
}

export interface VocabShardOptions extends LogprobOptions {
  /** Whether the merge is to give the entropy; it is NaN where the stats of a shard were made without. */
  entropy?: boolean;
}

/** What all shards together say of the rows; all [T] on the CPU. */
export interface MergedLogprobs {
  logp: Tensor<'f32'>;
  lse: Tensor<'f32'>;
  /** What `lse` has lost to its rounding; the backward needs it. */
  lseLow: Tensor<'f32'>;
  entropy: Tensor<'f32'> | null;
}

export interface VocabShardGradient extends VocabShard, LogprobColumns, EntropyColumns {
  lseLow: Tensor<'f32'>;
  /** The gradient's place: of the logits' dtype and shape; may be `logits` itself. */
  dlogits?: Tensor<FloatDType>;
}

/** Numbers for each row in the stats of a shard: `lap_vocab_stats`. */
const VOCAB_STATS = 5;

function shardInput(given: VocabShard, options: LogprobOptions): NativeArguments {
  const args = tokenInput(given, options);
  return { ...args, begin: checkInteger('begin', given.begin, 0, 2 ** 31 - (args.vocab as number)) };
}

function prepareStats(given: VocabShard, options: VocabShardOptions): NativeArguments {
  checkKeys('options', options, ['temperature', 'softcap', 'ignoreIndex', 'entropy', 'signal', 'stream']);
  const input = shardInput(given, options);
  const rows = input.rows as number;
  const stats = new Float64Array(VOCAB_STATS * rows);
  return { ...input, ...logprobOptions(options, rows), wantEntropy: options.entropy === true, stats };
}

function prepareBackward(
  given: VocabShardGradient,
  options: LogprobOptions,
): [NativeArguments, Tensor<FloatDType>] {
  const [args, dlogits] = prepareGradient(shardInput(given, options), given, options);
  const { memory } = checkTensor('lseLow', given.lseLow, ['f32'], [args.rows as number]);
  return [{ ...args, lseLow: memory }, dlogits];
}

/**
 * Vocabulary-parallel log-probs, first step, on every rank: what its columns of the logits say of each row, [5 T] f64
 * (`lap_vocab_stats`). Every rank gives its stats to all, by whatever transport, and {@link mergeVocabShards} makes log-probs of them.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT, before any work, for wrong shapes and targets below 0.
 */
export async function vocabShardStats(
  given: VocabShard,
  options: VocabShardOptions & { signal?: AbortSignal } = {},
): Promise<Float64Array> {
  const args = prepareStats(given, options);
  await callAsync(addon().vocabShardStats, args, options.signal);
  return args.stats as Float64Array;
}

/** {@link vocabShardStats} on the calling thread. */
export function vocabShardStatsSync(given: VocabShard, options: VocabShardOptions = {}): Float64Array {
  const args = prepareStats(given, options);
  callSync(addon().vocabShardStats, args);
  return args.stats as Float64Array;
}

/**
 * Second step: log-probs from the stats of all shards, in the order of ranks; the same bits on every rank.
 * @throws LapidaryError ERR_LAPIDARY_ARGUMENT where a row's target is in no shard, or in two.
 */
export function mergeVocabShards(
  shards: readonly Float64Array[],
  options: { entropy?: boolean } = {},
): MergedLogprobs {
  checkKeys('options', options, ['entropy']);
  const rows = (shards[0]?.length ?? 0) / VOCAB_STATS;
  const wrong = shards.findIndex(
    (stats) => !(stats instanceof Float64Array) || stats.length !== shards[0]!.length,
  );
  if (shards.length === 0 || wrong >= 0 || !Number.isInteger(rows)) {
    const got =
      shards.length === 0
        ? 'none'
        : `${shards[Math.max(wrong, 0)]?.length} numbers in shard ${Math.max(wrong, 0)}`;
    fail('shards', `a Float64Array of ${VOCAB_STATS} numbers a row from each shard, all as long`, got);
  }
  const stats = new Float64Array(shards.length * VOCAB_STATS * rows);
  shards.forEach((own, i) => {
    stats.set(own, i * own.length);
  });
  const column = () => Tensor.alloc('f32', [rows]);
  const merged = {
    logp: column(),
    lse: column(),
    lseLow: column(),
    entropy: options.entropy ? column() : null,
  };
  const places = Object.entries(merged).map(([name, tensor]) => [name, tensor?.memory]);
  callSync(addon().vocabShardMerge, { shards: shards.length, rows, stats, ...Object.fromEntries(places) });
  return merged;
}

/**
 * Third step, on every rank: its columns of the gradient that `tokenLogprobsBackward` gives for whole rows.
 * On a device the merged columns must have been sent there.
 */
export async function vocabShardBackward(
  given: VocabShardGradient,
  options: LogprobOptions & { signal?: AbortSignal } = {},
): Promise<Tensor<FloatDType>> {
  const [args, dlogits] = prepareBackward(given, options);
  await callAsync(addon().vocabShardBackward, args, options.signal);
  return dlogits;
}

/** {@link vocabShardBackward} on the calling thread. */
export function vocabShardBackwardSync(
  given: VocabShardGradient,
  options: LogprobOptions = {},
): Tensor<FloatDType> {
  const [args, dlogits] = prepareBackward(given, options);
  callSync(addon().vocabShardBackward, args);
  return dlogits;
}
