// Where each hazard of the boundary between JavaScript and native memory is tested (files of this folder):
//   detached, before or during a call      memory, argument-kinds; by a getter among the arguments: getters
//   resizable buffers, shrunk or grown     memory; a Tensor over one: shared-memory
//   shared memory, growable, written to    memory, shared-memory
//   the caller writes to an input          memory
//   overlapping or reused outputs          overlap
//   collection of inputs, accounting       memory, accounting; slopes over 10,000 calls: test/leak
//   element types, lengths, absent arrays  argument-kinds
//   offsets, subarrays, pooled Buffers     memory
//   numbers that a conversion would bend   argument-kinds
//   more than 2^31 elements                shared-memory; sizes beyond any memory: argument-kinds, native/fuzz
//   exceptions from getters and proxies    getters
//   abort: before, queued, running, after  abort
//   exit, exceptions, SIGTERM, workers,
//   two copies of the addon                lifetimes
//   event loop and libuv's pool            event-loop
//   a binary that cannot be loaded         loader
import { describe, expect, it } from 'vitest';
import type { KernelCall, NativeArguments } from '../../lib/kernels/native.ts';
import {
  CALLS,
  detach,
  expectedOutputs,
  inputNames,
  outputNames,
  outputsOf,
  runAsync,
  runSync,
  shared,
  VALID,
  type View,
  viewNames,
} from './native-calls.ts';

/** Views `at` elements into a larger buffer whose other bytes are rubbish. */
function shifted(view: View, at: number): View {
  const size = view.BYTES_PER_ELEMENT;
  const buffer = new ArrayBuffer((view.length + at + 5) * size);
  new Uint8Array(buffer).fill(0xff);
  const make = view.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => View;
  const copy = new make(buffer, at * size, view.length);
  copy.set(view as never);
  return copy;
}

function mapViews(call: KernelCall, change: (view: View, name: string) => View): NativeArguments {
  const args = VALID[call]();
  for (const name of viewNames(call)) args[name] = change(args[name] as View, name);
  return args;
}

interface Resizable extends ArrayBuffer {
  resize(bytes: number): void;
}

/** The view over a buffer that can be resized, which ES2023's types do not know. */
function resizable(view: View): { view: View; buffer: Resizable } {
  const create = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => Resizable;
  const buffer = new create(view.byteLength, { maxByteLength: 4 * view.byteLength });
  const make = view.constructor as new (buffer: ArrayBuffer) => View;
  const copy = new make(buffer);
  copy.set(view as never);
  return { view: copy, buffer };
}

describe.each(CALLS)('memory of %s', (call) => {
  it('may lie at any element offset, bit for bit', async () => {
    const expected = expectedOutputs(call);
    for (let at = 0; at < 16; at++) {
      const args = mapViews(call, (view) => shifted(view, at));
      runSync(call, args);
      expect(outputsOf(call, args), `offset ${at}`).toEqual(expected);
      const later = mapViews(call, (view) => shifted(view, at));
      await runAsync(call, later);
      expect(outputsOf(call, later), `offset ${at}`).toEqual(expected);
    }
  });

  it('may be a view into a pooled Buffer', () => {
    const args = mapViews(call, (view) => {
      const pooled = Buffer.allocUnsafe(view.byteLength + 8);
      const skip = (8 - (pooled.byteOffset % 8)) % 8;
      const make = view.constructor as new (buffer: ArrayBufferLike, offset: number, length: number) => View;
      const copy = new make(pooled.buffer, pooled.byteOffset + skip, view.length);
      copy.set(view as never);
      return copy;
    });
    runSync(call, args);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });

  it('is copied at the call: transferring the inputs while it is queued changes nothing', async () => {
    const args = VALID[call]();
    const jobs = Array.from({ length: 20 }, () => runAsync(call, VALID[call]()));
    const job = runAsync(call, args);
    for (const name of inputNames(call)) detach(args[name] as View);
    await Promise.all([...jobs, job]);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });

  it('is copied at the call: writing to the inputs while it is queued changes nothing', async () => {
    const args = VALID[call]();
    const job = runAsync(call, args);
    for (const name of inputNames(call)) (args[name] as View).fill(3);
    await job;
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });

  it('of an output that is detached in flight makes a coded error, and harms no other call', async () => {
    for (const name of outputNames(call)) {
      const args = VALID[call]();
      const job = runAsync(call, args);
      const next = VALID[call]();
      const other = runAsync(call, next);
      detach(args[name] as View);
      await expect(job, name).rejects.toMatchObject({
        code: 'ERR_LAPIDARY_ARGUMENT',
        message: expect.stringMatching(new RegExp(`^${name} was detached`)),
      });
      await other;
      expect(outputsOf(call, next)).toEqual(expectedOutputs(call));
    }
  });

  it('over shared memory is worked on in place, with the same results', async () => {
    const args = mapViews(call, shared);
    runSync(call, args);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
    const later = mapViews(call, shared);
    await runAsync(call, later);
    expect(outputsOf(call, later)).toEqual(expectedOutputs(call));
  });

  it('may be shared for some arrays and not for others', async () => {
    const args = mapViews(call, (view, name) => (name.length % 2 ? shared(view) : view));
    await runAsync(call, args);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });

  it('over resizable buffers is read at its length of the call', async () => {
    const kept = viewNames(call).map((name) => ({ name, ...resizable(VALID[call]()[name] as View) }));
    const args = { ...VALID[call](), ...Object.fromEntries(kept.map(({ name, view }) => [name, view])) };
    runSync(call, args);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));

    for (const name of inputNames(call)) {
      const own = resizable(VALID[call]()[name] as View);
      const later = { ...VALID[call](), [name]: own.view };
      const job = runAsync(call, later);
      own.buffer.resize(0);
      await job;
      expect(outputsOf(call, later), name).toEqual(expectedOutputs(call));
      expect(() => runSync(call, { ...VALID[call](), [name]: own.view }), name).toThrow(
        expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT' }),
      );
    }
    for (const name of outputNames(call)) {
      const own = resizable(VALID[call]()[name] as View);
      const later = { ...VALID[call](), [name]: own.view };
      const job = runAsync(call, later);
      own.buffer.resize(own.view.BYTES_PER_ELEMENT);
      await expect(job, name).rejects.toMatchObject({ code: 'ERR_LAPIDARY_ARGUMENT' });
    }
    for (const name of outputNames(call)) {
      const own = resizable(VALID[call]()[name] as View);
      const later = { ...VALID[call](), [name]: own.view };
      const job = runAsync(call, later);
      own.buffer.resize(2 * own.buffer.byteLength);
      await job;
      const expected = expectedOutputs(call)[name]!;
      expect([...own.view.subarray(0, expected.length)], name).toEqual([...expected]);
    }
  });

  it('survives collection of everything the caller held', async () => {
    const jobs: Promise<void>[] = [];
    const results: NativeArguments[] = [];
    for (let i = 0; i < 50; i++) {
      const args = mapViews(call, (view, name) => (i % 2 && name !== 'stats' ? shared(view) : view));
      jobs.push(runAsync(call, args));
      if (i % 10 === 0) results.push(args);
      // Garbage enough for scavenges to happen between the calls.
      new Array(5000).fill(0).map((_, k) => ({ k }));
    }
    await Promise.all(jobs);
    for (const args of results) expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });

  it('may be the same output for two queued calls, which run in order', async () => {
    const args = mapViews(call, shared);
    await Promise.all([runAsync(call, args), runAsync(call, args), runAsync(call, VALID[call]())]);
    expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
  });
});
