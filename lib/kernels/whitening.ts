import { checkKeys, checkNumber, fail } from './check.ts';
import { groupMeanStd, type SingletonOption } from './group-advantages.ts';
import { checkNumbers, type GroupIds } from './groups.ts';
import { describe, Tensor } from './tensor.ts';

/**
 * (A - mean) / sqrt(var + epsilon) over the tokens of the whole batch, response i counted `lengths[i]` times (once
 * without them), var over n - 1. REINFORCE++ (arXiv 2501.03262) is this on the rewards, its baseline form this on
 * `groupMean`. Every rank must see the same whole batch.
 */
export function whiten(
  advantages: ArrayLike<number>,
  given: { lengths?: ArrayLike<number>; epsilon?: number } = {},
): Tensor<'f32'> {
  checkKeys('options', given, ['lengths', 'epsilon']);
  const { lengths, epsilon = 1e-8 } = given;
  checkNumber('epsilon', epsilon, Number.MIN_VALUE, Number.MAX_VALUE);
  const values = checkNumbers('advantages', advantages);
  const counts =
    lengths === undefined ? values.map(() => 1) : checkNumbers('lengths', lengths, values.length);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const mean = values.reduce((sum, a, i) => sum + counts[i]! * a, 0) / total;
  const squares = values.reduce((sum, a, i) => sum + counts[i]! * (a - mean) ** 2, 0);
  const scale = Math.sqrt(squares / Math.max(total - 1, 1) + epsilon);
  return Tensor.from(
    'f32',
    Float32Array.from(values, (a) => (total === 0 ? 0 : (a - mean) / scale)),
  );
}

/**
 * GDPO (arXiv 2601.05242): each reward column is standardised within its group first, then the columns are added
 * with `weights` (default 1 each) and whitened over the batch.
 */
export function gdpo(
  columns: readonly ArrayLike<number>[],
  groups: GroupIds,
  given: SingletonOption & {
    weights?: ArrayLike<number>;
    epsilon?: number;
    lengths?: ArrayLike<number>;
  } = {},
): Tensor<'f32'> {
  checkKeys('options', given, ['singleton', 'weights', 'epsilon', 'lengths']);
  const { weights, lengths, ...rest } = given;
  if (!Array.isArray(columns) || columns.length === 0) {
    fail('columns', 'an array of reward columns, one at least', describe(columns));
  }
  const w = weights === undefined ? undefined : checkNumbers('weights', weights, columns.length);
  const sum = new Float64Array(columns[0]!.length);
  for (const [k, column] of columns.entries()) {
    const own = groupMeanStd(checkNumbers(`columns[${k}]`, column, sum.length), groups, rest).data;
    for (let i = 0; i < sum.length; i++) sum[i]! += (w?.[k] ?? 1) * own[i]!;
  }
  return whiten(sum, lengths === undefined ? {} : { lengths });
}
