import { describe, expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import { policyLoss } from '../../lib/kernels/policy-loss.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import {
  tokenLogprobs,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
} from '../../lib/kernels/token-logprobs.ts';
import { floats, ints } from '../kernels/batches.ts';
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

type Make = new (buffer: ArrayBufferLike, offset: number, length: number) => View;

/** `first` and `second` as views of one buffer, `second` beginning `bytes` after the beginning of `first`. */
function overlapping(first: View, second: View, bytes: number, memory: 'own' | 'shared'): [View, View] {
  const size = bytes + first.byteLength + second.byteLength + 16;
  const buffer = memory === 'shared' ? new SharedArrayBuffer(size) : new ArrayBuffer(size);
  const copies = [first, second].map((view, i) => {
    const copy = new (view.constructor as Make)(buffer, i * bytes, view.length);
    copy.set(view as never);
    return copy;
  });
  return copies as [View, View];
}

const refused = (name: string) => ({
  code: 'ERR_LAPIDARY_ARGUMENT',
  message: expect.stringMatching(new RegExp(`^${name} overlaps `)),
});

describe.each(CALLS)('an output of %s', (call) => {
  it.each(['own', 'shared'] as const)('may overlap no other array, in %s memory', async (memory) => {
    for (const output of outputNames(call)) {
      for (const other of viewNames(call).filter((name) => name !== output && name !== 'cuSeqlens')) {
        const valid = VALID[call]();
        const [a, b] = [valid[output] as View, valid[other] as View];
        const apart = Math.min(8, Math.floor((a.byteLength - 1) / 8) * 8);
        const [first, second] = overlapping(a, b, apart, memory);
        const args = { ...valid, [output]: first, [other]: second };
        const error = expect.objectContaining({
          code: 'ERR_LAPIDARY_ARGUMENT',
          message: expect.stringMatching(new RegExp(`^(${output}|${other}) overlaps (${output}|${other});`)),
        });
        expect(() => runSync(call, args), `${output} on ${other}`).toThrow(error);
        await expect(runAsync(call, args), `${output} on ${other}`).rejects.toEqual(error);
      }
    }
  });

  it('may lie beside every other array', async () => {
    for (const output of outputNames(call)) {
      for (const input of inputNames(call)) {
        const valid = VALID[call]();
        const [a, b] = [valid[output] as View, valid[input] as View];
        const [first, second] = overlapping(a, b, Math.ceil(a.byteLength / 8) * 8, 'own');
        const args = { ...valid, [output]: first, [input]: second };
        await runAsync(call, args);
        expect(outputsOf(call, args), `${output} beside ${input}`).toEqual(expectedOutputs(call));
      }
    }
  });

  it('is out of reach of other calls until it is written', async () => {
    for (const output of outputNames(call)) {
      const args = VALID[call]();
      const job = runAsync(call, args);
      const stale = {
        code: 'ERR_LAPIDARY_STATE',
        message: expect.stringMatching(new RegExp(`^${output} is still to be written by an earlier call`)),
      };
      const next = { ...VALID[call](), [output]: args[output] };
      expect(() => runSync(call, next)).toThrow(expect.objectContaining(stale));
      await expect(runAsync(call, next)).rejects.toMatchObject(stale);
      await job;
      await runAsync(call, next);
      expect(outputsOf(call, next)).toEqual(expectedOutputs(call));
    }
  });

  it('is nobody else once it has been detached', async () => {
    for (let i = 0; i < 20; i++) {
      const args = VALID[call]();
      const job = runAsync(call, args);
      for (const output of outputNames(call)) detach(args[output] as View);
      // New arrays may get the memory that the old ones had.
      const next = VALID[call]();
      runSync(call, next);
      expect(outputsOf(call, next)).toEqual(expectedOutputs(call));
      await expect(job).rejects.toMatchObject({ code: 'ERR_LAPIDARY_ARGUMENT' });
    }
  });
});

describe('dlogits', () => {
  it('may be the logits, of which it may not be a part', async () => {
    const call = 'tokenLogprobsBackward';
    for (const change of [(view: View) => view.slice(), shared]) {
      const logits = change(VALID[call]().logits as View);
      const args = { ...VALID[call](), logits, dlogits: logits };
      await runAsync(call, args);
      expect(outputsOf(call, args)).toEqual(expectedOutputs(call));
    }
    const memory = new Float32Array(20).fill(1);
    const args = { ...VALID[call](), logits: memory.subarray(0, 10), dlogits: memory.subarray(5, 15) };
    expect(() => runSync(call, args)).toThrow(expect.objectContaining(refused('dlogits')));
    expect(memory.every((x) => x === 1)).toBe(true);
  });

  it('may be the logits through the public function', () => {
    const logits = Tensor.from('f32', Float32Array.of(1, 2, 3), [1, 3]);
    const { logp, lse } = tokenLogprobsSync({ logits, targets: ints([0]) });
    const given = { logits, targets: ints([0]), logp, lse, dlogp: floats([1]) };
    const expected = tokenLogprobsBackwardSync(given).data.slice();
    expect(tokenLogprobsBackwardSync({ ...given, dlogits: logits }).data).toEqual(expected);
  });
});

describe('calls in a row', () => {
  const logits = Tensor.alloc('f32', [3, 4]);
  logits.data.set([1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 1, 0]);
  const targets = ints([0, 1, 2]);

  it('may pass on tensors of alloc before they are written: they run in order', async () => {
    const out = {
      logp: Tensor.alloc('f32', [3]),
      lse: Tensor.alloc('f32', [3]),
    };
    const loss = {
      ...{ objective: objectives.reinforce(), cuSeqlens: Int32Array.of(0, 3) },
      ...{ advantages: floats([1]), seqScale: floats([1]) },
    };
    const first = tokenLogprobs({ logits, targets }, { out });
    const second = policyLoss({ ...loss, logp: out.logp });
    const { diagnostics } = await second;
    const { logp } = await first;
    expect(logp).toBe(out.logp);
    const sum = logp.data.reduce((total, x) => total + x, 0);
    expect(diagnostics.loss).toBeCloseTo(-sum, 5);
  });

  it('may not pass on arrays of the caller', async () => {
    const out = { logp: Tensor.from('f32', new Float32Array(3)), lse: Tensor.alloc('f32', [3]) };
    const first = tokenLogprobs({ logits, targets }, { out });
    const second = tokenLogprobs({ logits, targets }, { out });
    await expect(second).rejects.toMatchObject({ name: 'LapidaryError', code: 'ERR_LAPIDARY_STATE' });
    await first;
    await tokenLogprobs({ logits, targets }, { out });
  });
});
