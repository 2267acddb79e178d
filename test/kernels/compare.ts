import { expect } from 'vitest';
import { configureKernels, devices } from '../../lib/kernels/device.ts';

/** Every instruction set that this machine can run. */
export const IMPLEMENTATIONS: readonly string[] = devices()[0]!.implementations;
export const FLOAT_TYPES = ['f32', 'bf16', 'f16'] as const;
export type FloatType = (typeof FLOAT_TYPES)[number];

/** Half a unit in the last place of each element type, relative: what rounding a result to it costs. */
export const ROUNDING = { f32: 2 ** -24, bf16: 2 ** -8, f16: 2 ** -11 };

/** The cross product of implementations and element types, for `describe.each`. */
export const VARIANTS = IMPLEMENTATIONS.flatMap((implementation) =>
  FLOAT_TYPES.map((dtype) => ({ implementation, dtype })),
);

/** Two threads, so that every suite also crosses the pool, whatever the machine. */
export function use(implementation: string, threads = 2): void {
  configureKernels({ implementation, threads });
}

export interface Tolerance {
  absolute?: number;
  relative?: number;
}

/** LAPIDARY_SHOW_ERRORS=1 prints how much of its tolerance each comparison uses. */
const SHOW = process.env.LAPIDARY_SHOW_ERRORS !== undefined;

/** |actual - expected| <= absolute + relative |expected| everywhere; infinities and NaN must be the same. */
export function expectClose(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { absolute = 0, relative = 0 }: Tolerance,
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let worst = { excess: 0, error: 0, index: -1 };
  for (let i = 0; i < actual.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Object.is(a, e) || a === e) continue;
    const error = Math.abs(a - e);
    const excess = error / (absolute + relative * Math.abs(e));
    if (!(excess <= worst.excess))
      worst = { excess: Number.isNaN(excess) ? Infinity : excess, error, index: i };
  }
  if (SHOW)
    console.log(
      `${what}: worst error ${worst.error.toExponential(2)}, ${worst.excess.toFixed(3)} of the tolerance`,
    );
  const at = worst.index;
  expect(worst.excess, `${what}[${at}]: got ${actual[at]}, expected ${expected[at]}`).toBeLessThanOrEqual(1);
}

function bytes(array: ArrayBufferView): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}

type Numbers = Float32Array | Float64Array | Int32Array | Uint16Array;

/** The same bits, signs of zero and payloads of NaN included. */
export function expectSameBits(what: string, actual: Numbers, expected: Numbers): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  if (bytes(actual).equals(bytes(expected))) return;
  const at = actual.findIndex((value, i) => !Object.is(value, expected[i]));
  expect.fail(`${what}[${at}]: got ${actual[at]}, expected the bits of ${expected[at]}`);
}
