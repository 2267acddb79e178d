import { describe, expect, it } from 'vitest';
import { linearLogprobsBackwardSync, linearLogprobsSync } from '../../lib/kernels/linear-logprobs.ts';
import {
  type LinearPolicyLossInput,
  linearPolicyLoss,
  linearPolicyLossSync,
} from '../../lib/kernels/linear-policy-loss.ts';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import { policyLossSync } from '../../lib/kernels/policy-loss.ts';
import { chunkSequences } from '../../lib/kernels/sequence-chunks.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import { oracleLinear } from '../oracle/linear-logprobs.ts';
import { oracleLoss } from '../oracle/policy-loss.ts';
import { seededRandom } from '../random.ts';
import { ints, matrix, normal } from './batches.ts';
import { expectClose, expectSameBits, use, VARIANTS } from './compare.ts';
import { pack, randomSequences } from './sequences.ts';

const SEED = 2505;
const WIDTH = 9;
const VOCAB = 37;

/** A head under a packed batch. Hidden rows of tokens left out hold NaN. */
function batch(dtype: 'f32' | 'bf16', objective: Objective, seed = SEED) {
  const random = seededRandom(seed);
  const sequences = randomSequences(random, { count: 9, longest: 14, keep: 0.8 });
  const { logp: _, ...loss } = pack(objective, sequences);
  const rows = loss.mask!.length;
  const hidden = matrix(dtype, rows, WIDTH, (t) => (loss.mask![t] ? normal(random) : Number.NaN));
  const weight = matrix(dtype, VOCAB, WIDTH, () => normal(random) / 3);
  const targets = Array.from({ length: rows }, () => random.int(0, VOCAB - 1));
  const given: LinearPolicyLossInput = {
    ...loss,
    ...{ hidden: hidden.tensor, weight: weight.tensor, targets: ints(targets) },
  };
  return { given, sequences, targets, hidden, weight, rows };
}

/** The three calls over the whole batch at once. */
function composed(given: LinearPolicyLossInput) {
  const { hidden, weight, targets, ...loss } = given;
  const masked = ints(Array.from(targets.data, (target, t) => (loss.mask![t] ? target : -100)));
  const head = { hidden, weight, targets: masked };
  const { logp, lse } = linearLogprobsSync(head);
  const { dlogp, diagnostics } = policyLossSync({ ...loss, logp });
  return { logp, dlogp, diagnostics, ...linearLogprobsBackwardSync({ ...head, logp, lse, dlogp }) };
}

const OBJECTIVES: Objective[] = [objectives.bcpgNsa({ tau: 0.3 }), objectives.grpo()];
const CASES = VARIANTS.flatMap((variant) => OBJECTIVES.map((objective) => ({ ...variant, objective })));

describe.each(CASES)('linear policy loss, $implementation $dtype $objective.name (seed 2505)', (variant) => {
  const { implementation, dtype, objective } = variant;

  it('is the composition of the three calls, whatever the chunks', () => {
    use(implementation);
    const { given } = batch(dtype as 'f32' | 'bf16', objective);
    const whole = composed(given);
    for (const chunkRows of [1, 5, 20, 4096]) {
      const actual = linearPolicyLossSync(given, { chunkRows });
      for (const name of ['logp', 'dlogp', 'dhidden'] as const) {
        expectSameBits(`${name} by ${chunkRows}`, actual[name].data, whole[name].data);
      }
      const tolerance = { absolute: 1e-6, relative: 1e-5 };
      expectClose(`dweight by ${chunkRows}`, actual.dweight!.data, whole.dweight!.data, tolerance);
      const names = Object.keys(whole.diagnostics) as (keyof typeof whole.diagnostics)[];
      const values = (of: typeof whole.diagnostics) => names.map((name) => of[name]);
      expectClose('diagnostics', values(actual.diagnostics), values(whole.diagnostics), {
        absolute: 1e-9,
        relative: 1e-9,
      });
    }
  });

  it('has the loss and the gradient of the float64 oracle', () => {
    use(implementation);
    const { given, sequences, targets, hidden, weight, rows } = batch(dtype as 'f32' | 'bf16', objective);
    // Left-out rows are NaN: the oracle must not look at them either.
    const values = hidden.values.map((x) => (Number.isNaN(x) ? 0 : x));
    const loss = (h: Float64Array, w: Float64Array): number => {
      const problem = { rows, vocab: VOCAB, width: WIDTH, targets, temperature: 1, hidden: h, weight: w };
      const head = oracleLinear(problem);
      let t = 0;
      const moved = sequences.map((sequence) => ({
        ...sequence,
        tokens: sequence.tokens.map((token) => ({ ...token, logp: head[t++]!.logp })),
      }));
      return oracleLoss(objective, moved);
    };
    const actual = linearPolicyLossSync(given, { chunkRows: 16 });
    expectClose('loss', [actual.diagnostics.loss], [loss(values, weight.values)], {
      absolute: 1e-5,
      relative: 1e-5,
    });
    const slope = (of: Float64Array, i: number): number => {
      const step = 1e-6;
      const kept = of[i]!;
      of[i] = kept + step;
      const above = loss(values, weight.values);
      of[i] = kept - step;
      const below = loss(values, weight.values);
      of[i] = kept;
      return (above - below) / (2 * step);
    };
    const random = seededRandom(SEED + 1);
    const tolerance = { absolute: 2e-5, relative: 1e-4 };
    for (const [name, of] of [
      ['dhidden', values],
      ['dweight', weight.values],
    ] as const) {
      const at = Array.from({ length: 25 }, () => random.int(0, of.length - 1)).filter(
        (i) => name === 'dweight' || given.mask![Math.floor(i / WIDTH)] === 1,
      );
      const found = at.map((i) => actual[name]!.data[i]!);
      expectClose(
        name,
        found,
        at.map((i) => slope(of, i)),
        tolerance,
      );
    }
  });
});

describe('linear policy loss', () => {
  it('gives exactly 0 on tokens left out by mask or by target', async () => {
    const { given } = batch('f32', objectives.bcpgNsa());
    given.targets.data[3] = -100;
    given.hidden.data.fill(Number.NaN, 3 * WIDTH, 4 * WIDTH);
    const out = await linearPolicyLoss(given, { chunkRows: 7 });
    let leftOut = 0;
    for (let t = 0; t < given.targets.size; t++) {
      if (given.mask![t] && t !== 3) continue;
      leftOut += 1;
      expect([out.logp.data[t], out.dlogp.data[t]]).toEqual([0, 0]);
      expect([...out.dhidden.data.slice(t * WIDTH, (t + 1) * WIDTH)].every((x) => x === 0)).toBe(true);
    }
    expect(leftOut).toBeGreaterThan(1);
    for (const x of out.dweight!.data) expect(Number.isFinite(x)).toBe(true);
  });

  it('adds to a weight gradient on request, leaves it out with a frozen head', async () => {
    const { given } = batch('f32', objectives.bcpgNsa());
    const once = linearPolicyLossSync(given, { chunkRows: 10 });
    const dweight = Tensor.alloc('f32', [VOCAB, WIDTH]);
    dweight.data.fill(2);
    await linearPolicyLoss(given, { chunkRows: 10, accumulate: true, out: { dweight } });
    const expected = once.dweight!.data.map((x) => x + 2);
    expectClose('accumulated', dweight.data, expected, { absolute: 1e-6 });
    const frozen = linearPolicyLossSync(given, { frozenHead: true });
    expect(frozen.dweight).toBeNull();
    expectSameBits('dhidden', frozen.dhidden.data, once.dhidden.data);
    expect(() => linearPolicyLossSync(given, { accumulate: true })).toThrow(/out\.dweight/);
  });

  it('overwrites stale outputs of an empty batch', () => {
    const none = () => Tensor.alloc('f32', [0]);
    const given: LinearPolicyLossInput = {
      ...{ objective: objectives.rft(), cuSeqlens: Int32Array.of(0), advantages: none(), seqScale: none() },
      ...{ hidden: Tensor.alloc('f32', [0, WIDTH]), targets: Tensor.alloc('i32', [0]) },
      weight: Tensor.alloc('f32', [VOCAB, WIDTH]),
    };
    const dweight = Tensor.alloc('f32', [VOCAB, WIDTH]);
    dweight.data.fill(5);
    expect(linearPolicyLossSync(given, { out: { dweight } }).diagnostics.loss).toBe(0);
    expect(dweight.data.every((x) => x === 0)).toBe(true);
  });

  it('checks everything before it writes anything', () => {
    const { given, rows } = batch('f32', objectives.bcpgNsa());
    const logp = Tensor.alloc('f32', [rows]);
    logp.data.fill(7);
    const { refLogp: _, ...withoutAnchor } = given;
    const last = given.mask!.lastIndexOf(1);
    const targets = ints(given.targets.data);
    targets.data[last] = VOCAB;
    const call = (changed: LinearPolicyLossInput, chunkRows = 4) => {
      return () => linearPolicyLossSync(changed, { chunkRows, out: { logp } });
    };
    expect(call(withoutAnchor)).toThrow(/^refLogp/);
    expect(call({ ...given, targets })).toThrow(new RegExp(`^targets\\[${last}\\]`));
    expect(call({ ...given, cuSeqlens: Int32Array.of(0, rows + 1) })).toThrow(/^cuSeqlens/);
    expect(call(given, 0)).toThrow(/^chunkRows/);
    expect(logp.data.every((x) => x === 7)).toBe(true);
  });

  it('rejects with the reason of an abort', async () => {
    const { given } = batch('f32', objectives.bcpgNsa());
    const reason = new Error('enough');
    await expect(linearPolicyLoss(given, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

it('chunks hold whole sequences, every row once', () => {
  const chunks = chunkSequences(Int32Array.of(0, 3, 3, 5, 12, 13, 13), 13, 5);
  expect(
    chunks.map(({ begin, end, firstSequence, endSequence }) => [begin, end, firstSequence, endSequence]),
  ).toEqual([
    [0, 5, 0, 3],
    [5, 12, 3, 4],
    [12, 13, 4, 6],
  ]);
});
