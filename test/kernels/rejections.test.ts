import { describe, expect, it } from 'vitest';
import { LapidaryError } from '../../lib/errors.ts';
import { configureKernels, devices } from '../../lib/kernels/device.ts';
import { linearLogprobs, linearLogprobsSync } from '../../lib/kernels/linear-logprobs.ts';
import { type Objective, objectives } from '../../lib/kernels/objectives.ts';
import {
  type PolicyLossInput,
  policyLoss,
  policyLossMapSync,
  policyLossSync,
} from '../../lib/kernels/policy-loss.ts';
import { Tensor } from '../../lib/kernels/tensor.ts';
import {
  tokenLogprobs,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
} from '../../lib/kernels/token-logprobs.ts';
import { floats, ints } from './batches.ts';

function expectArgument(argument: string, call: () => unknown): void {
  expect(call).toThrow(LapidaryError);
  expect(call).toThrow(expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument }));
}

const logits = Tensor.alloc('f32', [2, 5]);
const good = { logits, targets: ints([1, 4]) };
const vector = () => floats([7, 7]);

describe('token log-probs refuse', () => {
  it.each([5, -1, 2 ** 31 - 1, -(2 ** 31), -99])('a target of %i before they write', (target) => {
    const out = { logp: vector(), lse: vector(), entropy: vector() };
    const given = { logits, targets: ints([1, target]) };
    expectArgument('targets', () => tokenLogprobsSync(given, { out }));
    for (const { data } of Object.values(out)) expect([...data]).toEqual([7, 7]);
    const dlogits = Tensor.from('f32', new Float32Array(10).fill(7), [2, 5]);
    const vectors = { logp: vector(), lse: vector(), dlogp: vector() };
    expectArgument('targets', () => tokenLogprobsBackwardSync({ ...given, ...vectors, dlogits }));
    expect([...dlogits.data]).toEqual(Array(10).fill(7));
  });

  it('wrong shapes and element types, each by its name', () => {
    const any = (value: unknown) => value as never;
    expectArgument('logits', () => tokenLogprobsSync({ ...good, logits: any(new Float32Array(10)) }));
    expectArgument('logits', () => tokenLogprobsSync({ ...good, logits: any(ints([1, 2])) }));
    expectArgument('logits', () => tokenLogprobsSync({ ...good, logits: any(vector()) }));
    expectArgument('targets', () => tokenLogprobsSync({ ...good, targets: ints([1]) }));
    expectArgument('targets', () => tokenLogprobsSync({ ...good, targets: any(vector()) }));
    expectArgument('out.logp', () => tokenLogprobsSync(good, { out: { logp: floats([1]) } }));
    expectArgument('vocab', () =>
      tokenLogprobsSync({ logits: Tensor.alloc('f32', [1, 0]), targets: ints([0]) }),
    );
    const vectors = { logp: vector(), lse: vector(), dlogp: vector() };
    for (const name of ['logp', 'lse', 'dlogp']) {
      expectArgument(name, () => tokenLogprobsBackwardSync({ ...good, ...vectors, [name]: floats([1]) }));
    }
    const dlogits = Tensor.alloc('bf16', [2, 5]);
    expectArgument('dlogits', () => tokenLogprobsBackwardSync({ ...good, ...vectors, dlogits }));
  });

  it.each([0, -1, Number.NaN, Infinity, 1e-46, 1e-39, 1e39, '1', null, {}])(
    'a temperature of %j',
    (temperature) => {
      if (temperature === null) return; // null means absent
      expectArgument('temperature', () => tokenLogprobsSync(good, { temperature: temperature as number }));
    },
  );

  it.each([0, 3, -1.5, -(2 ** 31) - 1, Number.NaN, '-1'])('an ignore index of %j', (ignoreIndex) => {
    expectArgument('ignoreIndex', () => tokenLogprobsSync(good, { ignoreIndex: ignoreIndex as number }));
  });

  it('options they do not know, and say so through the promise', async () => {
    expectArgument('options.temprature', () => tokenLogprobsSync(good, { temprature: 1 } as never));
    const rejected = { code: 'ERR_LAPIDARY_ARGUMENT', argument: 'targets' };
    await expect(tokenLogprobs({ ...good, targets: ints([1, 9]) })).rejects.toMatchObject(rejected);
    await expect(tokenLogprobs({ ...good, targets: ints([1]) })).rejects.toMatchObject(rejected);
  });
});

describe('linear log-probs refuse', () => {
  const hidden = Tensor.alloc('f32', [2, 3]);
  const weight = Tensor.alloc('f32', [5, 3]);

  it('what does not fit together', async () => {
    const targets = ints([0, 1]);
    expectArgument('weight', () =>
      linearLogprobsSync({ hidden, weight: Tensor.alloc('f32', [5, 4]), targets }),
    );
    expectArgument('weight', () =>
      linearLogprobsSync({ hidden, weight: Tensor.alloc('bf16', [5, 3]), targets }),
    );
    expectArgument('targets', () => linearLogprobsSync({ hidden, weight, targets: ints([0]) }));
    expectArgument('vocab', () =>
      linearLogprobsSync({ hidden, weight: Tensor.alloc('f32', [0, 3]), targets }),
    );
    const [thin, thinHead] = [Tensor.alloc('f32', [2, 0]), Tensor.alloc('f32', [5, 0])];
    expectArgument('width', () => linearLogprobsSync({ hidden: thin, weight: thinHead, targets }));
    await expect(linearLogprobs({ hidden, weight, targets: ints([0, 5]) })).rejects.toMatchObject({
      argument: 'targets',
    });
  });
});

describe('the policy loss refuses', () => {
  const given: PolicyLossInput = {
    objective: objectives.bcpg(),
    cuSeqlens: Int32Array.of(0, 2),
    ...{ logp: vector(), refLogp: vector(), advantages: floats([1]), seqScale: floats([1]) },
  };

  it.each([[[1, 2]], [[0, 3, 2]], [[0, 1]], [[0, 3]], [[0, -1, 2]], [[]]])('offsets of %j', (offsets) => {
    const scalars = floats(Array(Math.max(offsets.length - 1, 0)).fill(1));
    const batch = { ...given, advantages: scalars, seqScale: scalars };
    for (const cuSeqlens of [Int32Array.from(offsets), Float64Array.from(offsets)]) {
      expectArgument('cuSeqlens', () => policyLossSync({ ...batch, cuSeqlens }));
    }
  });

  it('offsets that are no whole numbers', () => {
    for (const bad of [0.5, Number.NaN, Infinity, 1e300, -1]) {
      expectArgument('cuSeqlens', () => policyLossSync({ ...given, cuSeqlens: Float64Array.of(0, bad) }));
    }
  });

  it('an anchor without its log-probs, and lengths that differ', async () => {
    const { refLogp: _, ...bare } = given;
    expectArgument('refLogp', () => policyLossSync(bare));
    expectArgument('oldLogp', () => policyLossSync({ ...given, objective: objectives.grpo() }));
    expectArgument('refLogp', () => policyLossSync({ ...given, refLogp: floats([1]) }));
    expectArgument('tokenWeights', () => policyLossSync({ ...given, tokenWeights: floats([1]) }));
    expectArgument('advantages', () => policyLossSync({ ...given, advantages: floats([1, 2]) }));
    expectArgument('seqScale', () => policyLossSync({ ...given, seqScale: floats([]) }));
    expectArgument('mask', () => policyLossSync({ ...given, mask: Uint8Array.of(1) }));
    expectArgument('dlogp', () => policyLossSync({ ...given, dlogp: floats([1]) }));
    expectArgument('stats', () => policyLossMapSync(given, new Float64Array(3)));
    expectArgument('input.masks', () => policyLossSync({ ...given, masks: 1 } as never));
    await expect(policyLoss(bare)).rejects.toMatchObject({ argument: 'refLogp' });
  });

  it('objectives that do not exist', () => {
    const of = (objective: unknown) => () => policyLossSync({ ...given, objective: objective as Objective });
    const grpo = objectives.grpo({ anchor: 'ref' });
    expectArgument('objective.gate.kind', of({ ...grpo, gate: { kind: 'clip' } }));
    expectArgument('objective.gate.anchor', of({ ...grpo, gate: { ...grpo.gate, anchor: 'reff' } }));
    expectArgument('objective.gate.clipLow', of(objectives.grpo({ anchor: 'ref', clipLow: 1.1 })));
    expectArgument('objective.gate.clipHigh', of(objectives.grpo({ anchor: 'ref', clipHigh: Number.NaN })));
    expectArgument('objective.sequenceTerm.tau', of(objectives.bcpg({ tau: -1 })));
    expectArgument('objective.sequenceTerm.kind', of({ ...grpo, sequenceTerm: { kind: 'cube' } }));
    const level = { ...grpo, gate: { ...grpo.gate, level: 'word' } };
    expectArgument('objective.gate.level', of(level));
    expectArgument('objective.gate.dualClip', of(objectives.ppo({ anchor: 'ref', dualClip: 0.5 })));
    const kl = (given: object) => of({ ...grpo, kl: { kind: 'k3', coefficient: 1, ...given } });
    expectArgument('objective.kl.kind', kl({ kind: 'k4' }));
    expectArgument('objective.kl.gradient', kl({ gradient: 'none' }));
    expectArgument('objective.kl.coefficient', kl({ coefficient: Number.NaN }));
    expectArgument('oldLogp', kl({ gradient: 'ratio' }));
    const importance = { numerator: 'policy', level: 'token', outside: 'cut', high: 1 };
    expectArgument('behaviourLogp', of({ ...grpo, importance }));
    expectArgument('nftQuality', of(objectives.nft({ anchor: 'ref' })));
    expectArgument('objective.sequenceTerm.beta', of(objectives.npo({ beta: 0 })));
    expectArgument('behaviourLogp', of({ ...grpo, sequenceMask: 0.1 }));
    expectArgument(
      'objective.tokenMask.low',
      of({ ...grpo, tokenMask: { kind: 'tv', anchor: 'ref', low: -1 } }),
    );
  });

  it('pairs, rows and shares of right answers that cannot be', () => {
    const dpo = { ...given, objective: objectives.dpo() };
    expect(() => policyLossSync(dpo)).toThrow('an even number');
    expectArgument('pairs', () => policyLossSync({ ...dpo, pairs: Int32Array.of(0) }));
    expect(() => policyLossSync({ ...dpo, pairs: Int32Array.of(0, 1) })).toThrow('pairs[1] is 1');
    expect(() => policyLossSync({ ...dpo, pairs: Int32Array.of(0, 0) })).toThrow('two sequences');
    const { cuSeqlens: _, ...bare } = given;
    expectArgument('cuSeqlens', () => policyLossSync(bare));
    expectArgument('padded', () => policyLossSync({ ...given, padded: { stride: 2 } }));
    expectArgument('padded.stride', () => policyLossSync({ ...bare, padded: { stride: 0 } }));
    const lengths = (of: number[]) => ({ ...bare, padded: { stride: 2, lengths: Int32Array.from(of) } });
    expectArgument('padded.lengths', () => policyLossSync(lengths([1, 1])));
    expect(() => policyLossSync(lengths([3]))).toThrow('lengths[0] is 3');
    const nft = { ...given, objective: objectives.nft({ anchor: 'ref' }) };
    expect(() => policyLossSync({ ...nft, nftQuality: floats([1]) })).toThrow('nftQuality[0] is 1');
  });
});

describe('configureKernels refuses', () => {
  it('what this machine does not have', () => {
    const before = devices();
    expectArgument('implementation', () => configureKernels({ implementation: 'avx9' }));
    expectArgument('threads', () => configureKernels({ threads: 5000 }));
    expectArgument('threads', () => configureKernels({ threads: -1 }));
    expectArgument('threads', () => configureKernels({ threads: 1.5 }));
    expectArgument('options.thread', () => configureKernels({ thread: 1 } as never));
    expect(devices()).toEqual(before);
  });
});
