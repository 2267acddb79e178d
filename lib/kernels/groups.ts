import { checkNumber, fail } from './check.ts';
import { describe } from './tensor.ts';

/** One id per response; responses to the same prompt share an id. */
export type GroupIds = ArrayLike<number | string>;

/** Numbers of a batch as float64; each must be finite. */
export function checkNumbers(argument: string, values: ArrayLike<number>, length?: number): Float64Array {
  if (typeof values !== 'object' || values === null || typeof values.length !== 'number') {
    fail(argument, 'an array of numbers', describe(values));
  }
  if (length !== undefined && values.length !== length) {
    fail(argument, `${length} elements`, `${values.length}`);
  }
  const numbers = new Float64Array(values.length);
  for (let i = 0; i < values.length; i++) {
    numbers[i] = checkNumber(`${argument}[${i}]`, values[i], -Number.MAX_VALUE, Number.MAX_VALUE);
  }
  return numbers;
}

/** The members of each group, groups in order of first appearance. */
export function membersOf(groups: GroupIds, length: number): number[][] {
  if (typeof groups !== 'object' || groups === null || groups.length !== length) {
    fail('groups', `${length} group ids, one per response`, describe(groups));
  }
  const members = new Map<number | string, number[]>();
  for (let i = 0; i < length; i++) {
    const id = groups[i]!;
    if (typeof id !== 'string' && !Number.isFinite(id)) {
      fail(`groups[${i}]`, 'a string or a number', describe(id));
    }
    const known = members.get(id);
    if (known === undefined) members.set(id, [i]);
    else known.push(i);
  }
  return [...members.values()];
}

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** The sample standard deviation (n - 1) of two values or more. */
export function deviationOf(values: ArrayLike<number>): number {
  const mean = meanOf(values);
  let squares = 0;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/** tau log mean_i exp(r_i / tau), around the largest so that nothing overflows. */
export function logMeanExp(values: readonly number[], tau: number): number {
  const largest = Math.max(...values);
  return largest + tau * Math.log(meanOf(values.map((value) => Math.exp((value - largest) / tau))));
}
