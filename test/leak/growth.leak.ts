import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { configureKernels } from '../../lib/kernels/device.ts';
import { addon, type KernelCall, type NativeArguments } from '../../lib/kernels/native.ts';
import { CALLS, runAsync, runSync, shared, VALID, type View, viewNames } from '../node/native-calls.ts';

const CALLS_EACH = 10_000;
const WINDOWS = 5;
const WINDOW = CALLS_EACH / WINDOWS;
/**
 * Bytes by which the least grown of the windows may have grown. What leaks grows in every one of them, while a heap
 * that merely changes its size does so in some: a lost job of 100 bytes would be 200,000 bytes here.
 */
const SLACK = { external: 16_000, told: 16_000, rss: 100_000 };

const collect = (globalThis as { gc?: () => void }).gc!;

interface Memory {
  /** Array buffers and the like. */
  external: number;
  /** What the addon has told V8 of. */
  told: number;
  rss: number;
}

async function memory(): Promise<Memory> {
  for (let i = 0; i < 4; i++) {
    collect();
    await setImmediate();
  }
  const { external, rss } = process.memoryUsage();
  return { external, told: addon().inspect().externalBytes, rss };
}

/** Fails where memory grows in every window, once everything has warmed up. */
async function expectFlat(what: string, work: (count: number) => Promise<void>): Promise<void> {
  await work(WINDOW);
  const seen = [await memory()];
  for (let i = 0; i < WINDOWS; i++) {
    await work(WINDOW);
    seen.push(await memory());
  }
  for (const key of ['external', 'told', 'rss'] as const) {
    const growths = seen.slice(1).map((after, i) => after[key] - seen[i]![key]);
    console.log(`${what}: ${key} grew by ${growths.join(', ')} bytes in ${WINDOW} calls each`);
    expect(Math.min(...growths), `${what}: least growth of ${key}`).toBeLessThan(SLACK[key]);
  }
}

async function asynchronous(call: KernelCall, count: number, change: (view: View) => View): Promise<void> {
  for (let i = 0; i < count; i += 20) {
    const jobs = Array.from({ length: 20 }, () => {
      const args: NativeArguments = VALID[call]();
      for (const name of viewNames(call)) args[name] = change(args[name] as View);
      return runAsync(call, args);
    });
    await Promise.all(jobs);
    if (i % 1000 === 0) collect();
  }
}

describe.each(CALLS)(`memory over ${CALLS_EACH} calls of %s`, (call) => {
  configureKernels({ threads: 2 });

  it('is flat for synchronous calls', async () => {
    await expectFlat(`${call}, sync`, async (count) => {
      for (let i = 0; i < count; i++) {
        runSync(call, VALID[call]());
        if (i % 1000 === 0) collect();
      }
    });
  });

  it('is flat for asynchronous calls on arrays of the caller', async () => {
    await expectFlat(`${call}, async, copied`, (count) => asynchronous(call, count, (view) => view));
  });

  it('is flat for asynchronous calls in shared memory', async () => {
    await expectFlat(`${call}, async, shared`, (count) => asynchronous(call, count, shared));
  });

  it('is flat for calls that are refused', async () => {
    await expectFlat(`${call}, refused`, async (count) => {
      for (let i = 0; i < count; i++) {
        const bad = { ...VALID[call](), dtype: 'f64', studentDtype: 'f64', logp: null };
        // Not by `expect`, which keeps a record of each use.
        let refused = 0;
        try {
          runSync(call, bad);
        } catch {
          refused += 1;
        }
        await runAsync(call, bad).catch(() => {
          refused += 1;
        });
        if (refused !== 2) throw new Error('a bad call was not refused');
        if (i % 1000 === 0) collect();
      }
    });
  });
});
