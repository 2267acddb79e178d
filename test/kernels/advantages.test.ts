import { describe, expect, it } from 'vitest';
import { advantages } from '../../lib/kernels/advantages.ts';
import { generalisedAdvantages } from '../../lib/kernels/gae.ts';
import type { Tensor } from '../../lib/kernels/tensor.ts';
import { expectClose } from './compare.ts';

const ROUNDING = { absolute: 2e-7, relative: 2e-7 };

function expectValues(what: string, actual: Tensor<'f32'>, expected: number[]): void {
  expectClose(what, actual.data, expected, ROUNDING);
}

/** Two prompts, interleaved: a has rewards 1, 0, 0, 1 and b has 3, 1. */
const REWARDS = [1, 3, 0, 0, 1, 1];
const GROUPS = ['a', 'b', 'a', 'a', 'b', 'a'];
const STD_A = Math.sqrt(4 * 0.25 * (1 / 3));
const STD_B = Math.sqrt(2);

describe('advantages by hand', () => {
  it('group mean', () => {
    expectValues('A', advantages.groupMean(REWARDS, GROUPS), [0.5, 1, -0.5, -0.5, -1, 0.5]);
  });

  it('group mean over the deviation of n - 1, epsilon added to it', () => {
    const a = 0.5 / (STD_A + 0.1);
    const b = 1 / (STD_B + 0.1);
    expectValues('A', advantages.groupMeanStd(REWARDS, GROUPS, { epsilon: 0.1 }), [a, b, -a, -a, -b, a]);
    expectValues('no spread', advantages.groupMeanStd([0.7, 0.7, 0.7], [1, 1, 1]), [0, 0, 0]);
  });

  it('leave one out', () => {
    const a = [1 - 1 / 3, 0 - 2 / 3];
    expectValues('A', advantages.leaveOneOut(REWARDS, GROUPS), [a[0]!, 2, a[1]!, a[1]!, -2, a[0]!]);
  });

  it('a baseline weighted by length, and one of a group without tokens', () => {
    const lengths = [1, 10, 2, 3, 30, 4];
    expectValues('A', advantages.opo(REWARDS, GROUPS, lengths), [0.5, 1.5, -0.5, -0.5, -0.5, 0.5]);
    expect([...advantages.opo([5, 7], [1, 1], [0, 0]).data].every(Number.isFinite)).toBe(true);
  });

  it('the greedy answer as the baseline', () => {
    expectValues('A', advantages.remax([1, 0, 0.5], [0, 1, 0.5]), [1, -1, 0]);
  });

  it('log-mean-exp, with and without the response itself', () => {
    const lme = (...values: number[]) =>
      0.5 * Math.log(values.reduce((sum, r) => sum + Math.exp(r / 0.5), 0) / values.length);
    const whole = advantages.logMeanExpBaseline([1, 0, 2], [7, 7, 7], { tau: 0.5 });
    expectValues('whole', whole, [1 - lme(1, 0, 2), 0 - lme(1, 0, 2), 2 - lme(1, 0, 2)]);
    const others = advantages.ploo([1, 0, 2], [7, 7, 7], { tau: 0.5 });
    expectValues('others', others, [1 - lme(0, 2), 0 - lme(1, 2), 2 - lme(1, 0)]);
    expectValues('cold', advantages.logMeanExpBaseline([1e3, 0], [7, 7], { tau: 1e-3 }), [
      1e-3 * Math.log(2),
      -1e3 + 1e-3 * Math.log(2),
    ]);
  });

  it('AsymRE leans the baseline', () => {
    expectValues('A', advantages.asymRe([1, 0], [1, 1]), [0.6, -0.4]);
    expectValues('A', advantages.asymRe([1, 0], [1, 1], { delta: 0 }), [0.5, -0.5]);
  });

  it('PSR, NSR and W-REINFORCE', () => {
    expectValues('W', advantages.signedReward([true, false]), [0.1, -1]);
    expectValues('PSR', advantages.signedReward([1, 0], { positive: 1, negative: 0 }), [1, 0]);
    expectValues('NSR', advantages.signedReward([1, 0], { positive: 0, negative: 1 }), [0, -1]);
  });

  it('pass@k rewards the best by its lead', () => {
    expectValues('A', advantages.passAtK([1, 3, 0, 5, 2], [1, 1, 1, 2, 2]), [0, 2, 0, 3, 0]);
    expectValues('tie', advantages.passAtK([1, 1, 0], [1, 1, 1]), [0, 0, 0]);
  });

  it('whitening over tokens', () => {
    // Tokens 1 1 1 4: mean 7/4, variance 3 * (3/4)^2 + (9/4)^2 over 3 = 9/4.
    expectValues('A', advantages.whiten([1, 4], { lengths: [3, 1] }), [-0.5, 1.5]);
    expectValues('responses', advantages.whiten([1, 3]), [-Math.SQRT1_2, Math.SQRT1_2]);
    expectValues('no token', advantages.whiten([1, 3], { lengths: [0, 0] }), [0, 0]);
    expect(advantages.whiten([]).size).toBe(0);
  });

  it('GDPO standardises the columns one by one', () => {
    const columns = [
      [1, 0, 1, 0],
      [100, 100, -100, -100],
    ];
    const groups = [1, 1, 1, 1];
    // Columns of equal spread, whatever their units: sums 2s, 0, 0, -2s, and their deviation is s sqrt(8/3).
    const a = 2 / Math.sqrt(8 / 3);
    expectClose('A', advantages.gdpo(columns, groups).data, [a, 0, 0, -a], { absolute: 3e-6 });
    const weighted = advantages.gdpo(columns, groups, { weights: [1, 0] });
    const alone = Math.sqrt(3) / 2;
    expectClose('A', weighted.data, [alone, -alone, alone, -alone], { absolute: 3e-6 });
  });

  it('GAE over packed sequences, tokens left out skipped', () => {
    const given = {
      rewards: [0, 0, 1, 2, 9],
      values: [0.5, 0.25, 0.75, 1, 9],
      cuSeqlens: Int32Array.of(0, 3, 3, 5),
      mask: Uint8Array.of(1, 1, 1, 1, 0),
    };
    const d = [0.9 * 0.25 - 0.5, 0.9 * 0.75 - 0.25, 1 - 0.75, 2 - 1];
    const second = d[1]! + 0.45 * d[2]!;
    const expected = [d[0]! + 0.45 * second, second, d[2]!, d[3]!, 0];
    expectValues('A', generalisedAdvantages({ ...given, gamma: 0.9, lambda: 0.5 }), expected);
    const oneStep = generalisedAdvantages({ ...given, gamma: 0.9, lambda: 0 });
    expectValues('lambda 0', oneStep, [...d, 0]);
    const masked = { ...given, mask: Uint8Array.of(1, 0, 1, 1, 0), gamma: 0.9, lambda: 0.5 };
    const first = 0.9 * 0.75 - 0.5 + 0.45 * 0.25;
    expectValues('gap', generalisedAdvantages(masked), [first, 0, 0.25, 1, 0]);
  });
});

describe('advantages of groups', () => {
  it('leave a response alone in its group without a signal, or with its reward, as asked', () => {
    for (const estimate of [advantages.groupMean, advantages.groupMeanStd, advantages.leaveOneOut]) {
      expectValues('zero', estimate([0.5, 2, 4], ['x', 'y', 'y']), [0, ...estimate([2, 4], [1, 1]).data]);
      expect(estimate([0.5], ['x'], { singleton: 'reward' }).data[0]).toBe(0.5);
    }
    expect(advantages.ploo([0.5], [0], { tau: 1 }).data[0]).toBe(0);
    expect(advantages.passAtK([0.5], [0], { singleton: 'reward' }).data[0]).toBe(0.5);
  });

  it('tell the number 1 from the string 1, and accept no response at all', () => {
    expectValues('A', advantages.groupMean([1, 0, 3], [1, '1', 1]), [-1, 0, 1]);
    expect(advantages.groupMean([], []).size).toBe(0);
  });
});

describe('advantages refuse', () => {
  const bad = (argument: string) => expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument });
  it.each([
    ['rewards[1]', () => advantages.groupMean([1, Number.NaN], [1, 1])],
    ['rewards', () => advantages.groupMean(undefined as never, [1])],
    ['groups', () => advantages.groupMean([1, 2], [1])],
    ['groups[1]', () => advantages.groupMean([1, 2], [1, Number.NaN])],
    ['singleton', () => advantages.groupMean([1], [1], { singleton: 'one' as never })],
    ['options.eps', () => advantages.groupMeanStd([1], [1], { eps: 1 } as never)],
    ['epsilon', () => advantages.groupMeanStd([1], [1], { epsilon: 0 })],
    ['lengths', () => advantages.opo([1, 2], [1, 1], [1])],
    ['lengths[0]', () => advantages.opo([1], [1], [-1])],
    ['greedyRewards', () => advantages.remax([1, 2], [1])],
    ['tau', () => advantages.logMeanExpBaseline([1], [1], { tau: 0 })],
    ['tau', () => advantages.ploo([1], [1], {} as never)],
    ['delta', () => advantages.asymRe([1], [1], { delta: Infinity })],
    ['right[0]', () => advantages.signedReward([0.5])],
    ['columns', () => advantages.gdpo([], [])],
    ['columns[1]', () => advantages.gdpo([[1], [1, 2]], [1])],
    ['weights', () => advantages.gdpo([[1]], [1], { weights: [1, 2] })],
    ['cuSeqlens', () => generalisedAdvantages({ rewards: [1], values: [1], cuSeqlens: Int32Array.of(0, 2) })],
    ['values', () => generalisedAdvantages({ rewards: [1], values: [], cuSeqlens: Int32Array.of(0, 1) })],
    [
      'gamma',
      () => generalisedAdvantages({ rewards: [], values: [], cuSeqlens: Int32Array.of(0), gamma: 2 }),
    ],
  ] as const)('%s', (argument, call) => {
    expect(call).toThrow(bad(argument));
  });
});
