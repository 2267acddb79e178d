import { describe, expect, it } from 'vitest';
import type { KernelCall, NativeArguments } from '../../lib/kernels/native.ts';
import {
  CALLS,
  detach,
  numberNames,
  outputNames,
  outputsOf,
  runAsync,
  runSync,
  VALID,
  type View,
  viewNames,
} from './native-calls.ts';

const KINDS = [
  ...[Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Uint8Array, Uint8ClampedArray],
  ...[Uint16Array, Uint32Array, BigInt64Array, BigUint64Array],
] as const;

/** Kinds other than its own that a parameter takes. */
const ALSO: Record<string, readonly unknown[]> = { cuSeqlens: [Float64Array] };
const OPTIONAL = [
  'entropy',
  'dhidden',
  'dweight',
  'behaviourLogp',
  'tokenWeights',
  'mask',
  'rowWeights',
  'kept',
  'top1',
];

/** Refused by both forms, with the code and the parameter's name first, and nothing has been written. */
async function expectRefused(call: KernelCall, name: string, change: NativeArguments): Promise<void> {
  const args = { ...VALID[call](), ...change };
  const written = outputNames(call).filter((output) => output !== name);
  for (const output of written) (args[output] as View).fill(7);
  const shape = { code: 'ERR_LAPIDARY_ARGUMENT', message: expect.stringMatching(new RegExp(`^${name}\\b`)) };
  expect(() => runSync(call, args), `${call} ${name} sync`).toThrow(expect.objectContaining(shape));
  await expect(runAsync(call, args), `${call} ${name} async`).rejects.toMatchObject(shape);
  for (const output of written) {
    expect(
      (args[output] as View).every((x) => x === 7),
      `${call}: ${output} untouched`,
    ).toBe(true);
  }
}

describe.each(CALLS)('%s', (call) => {
  it('refuses every other kind of array for every array', async () => {
    for (const name of viewNames(call)) {
      const valid = VALID[call]()[name] as View;
      for (const kind of KINDS) {
        if (valid instanceof kind || ALSO[name]?.includes(kind)) continue;
        await expectRefused(call, name, { [name]: new kind(64) });
      }
      if (!(valid instanceof Uint8Array)) await expectRefused(call, name, { [name]: Buffer.alloc(512) });
      for (const other of [
        new ArrayBuffer(512),
        new DataView(new ArrayBuffer(512)),
        [1, 2, 3],
        'text',
        5,
        {},
      ]) {
        await expectRefused(call, name, { [name]: other });
      }
    }
  });

  it('refuses arrays that are too short, or detached', async () => {
    for (const name of viewNames(call)) {
      const valid = VALID[call]()[name] as View;
      await expectRefused(call, name, { [name]: valid.slice(1) });
      await expectRefused(call, name, { [name]: valid.slice(0, 0) });
      const gone = valid.slice();
      detach(gone);
      await expectRefused(call, name, { [name]: gone });
    }
  });

  it('refuses absent arrays, save the optional ones', async () => {
    for (const name of viewNames(call).filter((view) => !/^(old|ref)Logp$/.test(view))) {
      for (const absent of [undefined, null]) {
        if (OPTIONAL.includes(name)) runSync(call, { ...VALID[call](), [name]: absent });
        else await expectRefused(call, name, { [name]: absent });
      }
    }
  });

  it('refuses numbers that a conversion would wrap, clamp or truncate', async () => {
    const sides = ['studentTemperature', 'studentSoftcap', 'teacherTemperature', 'teacherSoftcap', 'beta'];
    const real = ['temperature', 'softcap', 'clipLow', 'clipHigh', 'tau', ...sides];
    for (const name of numberNames(call)) {
      const values = real.includes(name) ? [Number.NaN, -1] : [Number.NaN, 2 ** 32 + 5, 1.5, 1e300, Infinity];
      for (const value of values) {
        const change = { [name]: value };
        const args = { ...VALID[call](), ...change };
        expect(() => runSync(call, args), `${name} = ${value}`).toThrow(
          expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
        );
        await expect(runAsync(call, args), `${name} = ${value}`).rejects.toMatchObject({
          code: 'ERR_LAPIDARY_ARGUMENT',
        });
      }
      for (const value of ['1', 1n, null, undefined, true, {}])
        await expectRefused(call, name, { [name]: value });
    }
  });

  it('refuses negative sizes and strides that are too small', () => {
    const sizes = ['rows', 'vocab', 'width', 'rowStride', 'dlogitsStride', 'hiddenStride', 'weightStride'];
    for (const name of [...sizes, 'tokens', 'sequences'].filter((size) => size in VALID[call]())) {
      for (const value of [-1, -(2 ** 40)]) {
        const args = { ...VALID[call](), [name]: value };
        expect(() => runSync(call, args), `${name} = ${value}`).toThrow(
          expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
        );
      }
    }
    for (const name of ['rowStride', 'dlogitsStride', 'hiddenStride', 'weightStride']) {
      if (!(name in VALID[call]())) continue;
      const args = { ...VALID[call](), [name]: 2 };
      expect(() => runSync(call, args), name).toThrow(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
      );
    }
  });

  it('refuses sizes whose product does not fit', () => {
    for (const name of ['rows', 'vocab', 'width', 'rowStride', 'hiddenStride', 'tokens', 'sequences']) {
      if (!(name in VALID[call]())) continue;
      for (const value of [2 ** 31, 2 ** 53, 2 ** 52 + 1]) {
        const args = { ...VALID[call](), [name]: value };
        expect(() => runSync(call, args), `${name} = ${value}`).toThrow(
          expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
        );
      }
    }
  });

  it('refuses what is no argument object, and a cancel flag that is no Int32Array', async () => {
    for (const args of [undefined, null, 5, 'text']) {
      expect(() => runSync(call, args as never)).toThrow(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
      );
    }
    for (const cancel of [{}, 5, null, new Float32Array(1), new Int32Array(0)]) {
      await expect(runAsync(call, VALID[call](), cancel as never)).rejects.toMatchObject({
        code: 'ERR_LAPIDARY_ARGUMENT',
      });
    }
  });

  it('takes longer arrays than it needs and writes no more than it says', () => {
    const args = VALID[call]();
    const expected = VALID[call]();
    runSync(call, expected);
    for (const name of viewNames(call)) {
      const valid = args[name] as View;
      const make = valid.constructor as new (length: number) => View;
      const longer = new make(valid.length + 3);
      longer.set(valid as never);
      longer.fill(7, valid.length);
      args[name] = longer;
    }
    runSync(call, args);
    for (const [name, output] of Object.entries(outputsOf(call, expected))) {
      const longer = args[name] as View;
      expect([...longer], name).toEqual([...output, 7, 7, 7]);
    }
  });
});
