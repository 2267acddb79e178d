import { describe, expect, it } from 'vitest';
import {
  keptLogits,
  linearLogprobs,
  linearLogprobsBackward,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from '../../lib/kernels/linear-logprobs.ts';
import {
  linearLogprobsWithGradient,
  linearLogprobsWithGradientSync,
} from '../../lib/kernels/linear-with-gradient.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { seededRandom } from '../random.ts';
import { floats, ints, matrix, normal } from './batches.ts';
import { expectClose, expectSameBits, use, VARIANTS } from './compare.ts';

const SEED = 61;

function problem(dtype: (typeof VARIANTS)[number]['dtype'], rows: number, vocab: number, width: number) {
  const random = seededRandom(SEED + vocab);
  const hidden = matrix(dtype, rows, width, () => normal(random)).tensor;
  const weight = matrix(dtype, vocab, width, () => normal(random) / Math.sqrt(width)).tensor;
  const targets = ints(
    Array.from({ length: rows }, (_, t) => (t % 5 === 3 ? -100 : random.int(0, vocab - 1))),
  );
  const dlogp = floats(Array.from({ length: rows }, (_, t) => (t % 4 === 1 ? 0 : normal(random))));
  const temperature = floats(Array.from({ length: rows }, () => 0.5 + random.next()));
  return { input: { hidden, weight, targets }, dlogp, temperature };
}

describe.each(VARIANTS)(`kept logits, $implementation $dtype (seed ${SEED})`, ({ implementation, dtype }) => {
  it.each([
    [1, 1, 1],
    [3, 7, 5],
    [37, 200, 19],
    [40, 1000, 300],
  ])('spare the backward a product and change nothing: %i rows, V = %i, H = %i', (rows, vocab, width) => {
    use(implementation);
    const { input, dlogp, temperature } = problem(dtype, rows, vocab, width);
    for (const options of [{}, { softcap: 2 }, { temperature, softcap: 3 }, { temperature: 0.7 }]) {
      const kept = keptLogits(rows, vocab);
      kept.data.fill(Number.NaN);
      const plain = linearLogprobsSync(input, { ...options, entropy: true });
      const keeping = linearLogprobsSync(input, { ...options, entropy: true, kept });
      for (const name of ['logp', 'lse', 'entropy'] as const)
        expectSameBits(name, keeping[name]!.data, plain[name]!.data);
      const columns = { ...input, logp: plain.logp, lse: plain.lse, dlogp };
      const again = linearLogprobsBackwardSync(columns, options);
      const spared = linearLogprobsBackwardSync(columns, { ...options, kept });
      expectSameBits('dhidden', spared.dhidden.data, again.dhidden.data);
      expectSameBits('dweight', spared.dweight!.data, again.dweight!.data);
    }
  });

  it('leave rows without a gradient out, whatever they hold', () => {
    use(implementation);
    const { input, dlogp } = problem(dtype, 40, 90, 24);
    const kept = keptLogits(40, 90);
    const forward = linearLogprobsSync(input, { kept });
    const columns = { logp: forward.logp, lse: forward.lse, dlogp };
    const expected = linearLogprobsBackwardSync({ ...input, ...columns }, { kept });
    const poisoned = Tensor.from(
      dtype,
      input.hidden.data.slice() as never,
      input.hidden.shape,
    ) as typeof input.hidden;
    const nan = dtype === 'f32' ? Number.NaN : 0x7fc0;
    for (let t = 0; t < 40; t++) {
      if (t % 4 === 1 || t % 5 === 3) poisoned.data.fill(nan, t * 24, (t + 1) * 24);
    }
    const keptPoisoned = keptLogits(40, 90);
    linearLogprobsSync({ ...input, hidden: poisoned }, { kept: keptPoisoned });
    const actual = linearLogprobsBackwardSync(
      { ...input, hidden: poisoned, ...columns },
      { kept: keptPoisoned },
    );
    expectSameBits('dhidden', actual.dhidden.data, expected.dhidden.data);
    expectSameBits('dweight', actual.dweight!.data, expected.dweight!.data);
  });

  it('serve both passes at once by chunks of rows: the same log-probs and dhidden, dweight in the order of chunks', async () => {
    use(implementation);
    const { input, dlogp, temperature } = problem(dtype, 70, 130, 20);
    const given = { ...input, rowWeights: dlogp };
    const options = { temperature, entropy: true };
    const whole = linearLogprobsWithGradientSync(given, { ...options, kept: keptLogits(70, 130) });
    for (const kept of [keptLogits(32, 130), keptLogits(0, 130), keptLogits(64, 130)]) {
      const chunked = await linearLogprobsWithGradient(given, { ...options, kept });
      expectSameBits('logp', chunked.logp.data, whole.logp.data);
      expectSameBits('entropy', chunked.entropy!.data, whole.entropy!.data);
      expectClose('dhidden', chunked.dhidden.data, whole.dhidden.data, { absolute: 1e-5, relative: 1e-5 });
      expectClose('dweight', chunked.dweight!.data, whole.dweight!.data, { absolute: 1e-5, relative: 1e-5 });
    }
    const forward = linearLogprobsSync(input, { temperature });
    const backward = linearLogprobsBackwardSync({ ...input, ...forward, dlogp }, { temperature });
    expectSameBits('logp of the forward', whole.logp.data, forward.logp.data);
    expectClose('dhidden of the backward', whole.dhidden.data, backward.dhidden.data, {
      absolute: 1e-5,
      relative: 1e-5,
    });
    const frozen = linearLogprobsWithGradientSync(given, { temperature, frozenHead: true });
    expect(frozen.dweight).toBeNull();
    expectSameBits('dhidden, frozen head', frozen.dhidden.data, whole.dhidden.data);
  });

  it('do not depend on the number of threads, nor on the form of the call', async () => {
    const { input, dlogp } = problem(dtype, 50, 300, 33);
    const results = [];
    for (const threads of [1, 3]) {
      use(implementation, threads);
      const kept = keptLogits(50, 300);
      const forward = await linearLogprobs(input, { kept });
      results.push(
        await linearLogprobsBackward({ ...input, logp: forward.logp, lse: forward.lse, dlogp }, { kept }),
      );
    }
    expectSameBits('dhidden', results[1]!.dhidden.data, results[0]!.dhidden.data);
    expectSameBits('dweight', results[1]!.dweight!.data, results[0]!.dweight!.data);
  });
});

it('kept logits that do not fit are refused before any work', () => {
  const { input, dlogp } = problem('f32', 40, 90, 8);
  const small = { kept: Tensor.alloc('f32', [100]) };
  const refused = expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument: 'kept' });
  expect(() => linearLogprobsSync(input, small)).toThrow(refused);
  const { logp, lse } = linearLogprobsSync(input);
  expect(() => linearLogprobsBackwardSync({ ...input, logp, lse, dlogp }, small)).toThrow(refused);
  const wrong = { kept: Tensor.alloc('i32', [10000]) as never };
  expect(() => linearLogprobsSync(input, wrong)).toThrow(expect.objectContaining({ argument: 'kept' }));
});
