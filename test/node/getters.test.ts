import { describe, expect, it } from 'vitest';
import type { NativeArguments } from '../../lib/kernels/native.ts';
import {
  CALLS,
  detach,
  expectedOutputs,
  outputNames,
  outputsOf,
  runAsync,
  runSync,
  VALID,
  type View,
  viewNames,
} from './native-calls.ts';

/** `args` with a getter for `name`. */
function withGetter(args: NativeArguments, name: string, get: () => unknown): NativeArguments {
  return Object.defineProperty({ ...args }, name, { get, enumerable: true });
}

describe.each(CALLS)('an argument object of %s', (call) => {
  it('may have getters; what they throw reaches the caller as it is', async () => {
    for (const name of Object.keys(VALID[call]())) {
      const boom = new Error(`from ${name}`);
      const args = withGetter(VALID[call](), name, () => {
        throw boom;
      });
      expect(() => runSync(call, args), name).toThrow(boom);
      await expect(runAsync(call, args), name).rejects.toBe(boom);
    }
    const args = VALID[call]();
    const proxy = new Proxy(args, {});
    runSync(call, proxy);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });

  it('whose getters take other arrays away is refused, or has been read before', async () => {
    const names = viewNames(call).filter((name) => name !== 'cuSeqlens');
    for (const trap of Object.keys(VALID[call]())) {
      for (const victim of names.filter((name) => name !== trap)) {
        for (const run of [runSync, runAsync]) {
          const valid = VALID[call]();
          const spring = () => {
            if ((valid[victim] as View).length > 0) detach(valid[victim] as View);
            return valid[trap];
          };
          const attempt = async () => run(call, withGetter(valid, trap, spring));
          const outcome = await attempt().then(
            () => 'done',
            (error: { code?: string; message: string }) => error,
          );
          // An asynchronous call may have copied the victim already; nothing else may succeed.
          const copied = run === runAsync && !outputNames(call).includes(victim);
          const expected = expect.objectContaining({
            code: 'ERR_LAPIDARY_ARGUMENT',
            message: expect.stringContaining(victim),
          });
          if (!(copied && outcome === 'done')) expect(outcome, `${trap} takes ${victim}`).toEqual(expected);
        }
      }
    }
  });

  it('whose getters hand out something else each time is read once', async () => {
    for (const name of viewNames(call)) {
      const valid = VALID[call]();
      let reads = 0;
      // The first answer is for the question whether an optional array is there.
      const args = withGetter(valid, name, () => (reads++ < 2 ? valid[name] : new Uint8Array(1)));
      const outcome = await runAsync(call, args).then(
        () => outputsOf(call, valid),
        (error: { code?: string }) => error.code,
      );
      expect([expectedOutputs(call), 'ERR_LAPIDARY_ARGUMENT'], name).toContainEqual(outcome);
    }
  });
});
