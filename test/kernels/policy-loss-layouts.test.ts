import { describe, expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import {
  type PolicyLossInput,
  policyLossMapSync,
  policyLossReduceSync,
  policyLossSync,
  SEQUENCE_STATS,
} from '../../lib/kernels/policy-loss.ts';
import type { OracleSequence } from '../oracle/policy-loss-batch.ts';
import { type Random, seededRandom } from '../random.ts';
import { floats } from './batches.ts';
import { expectClose, expectSameBits } from './compare.ts';
import { PRESETS, VARIATIONS } from './objective-cases.ts';
import { type PackedInput, pack, randomSequences, sequenceGradient } from './sequences.ts';

const SEED = 60_401;
const CASES = [...PRESETS, ...VARIATIONS].map((objective) => [objective.name, objective] as const);
const TOKEN_INPUTS = ['logp', 'oldLogp', 'behaviourLogp', 'refLogp', 'tokenWeights'] as const;

const sequences = randomSequences(seededRandom(SEED), { count: 24, longest: 40, keep: 0.8 });

/** The same batch in rows of `stride`, the padding full of NaN but not masked. */
function padded(given: PackedInput, stride: number): PolicyLossInput {
  const starts = [...given.cuSeqlens.subarray(0, -1)];
  const lengths = Int32Array.from(starts, (start, i) => given.cuSeqlens[i + 1]! - start);
  const spread = <T>(source: ArrayLike<T>, filler: T): T[] =>
    starts.flatMap((start, i) =>
      Array.from({ length: stride }, (_, k) => (k < lengths[i]! ? source[start + k]! : filler)),
    );
  const { cuSeqlens: _, ...rest } = given;
  const columns = TOKEN_INPUTS.map((name) => [name, floats(spread(given[name]!.data, Number.NaN))]);
  return {
    ...rest,
    ...Object.fromEntries(columns),
    mask: Uint8Array.from(spread(given.mask!, 1)),
    padded: { stride, lengths },
  };
}

function shuffled(random: Random, count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.int(0, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Two ranks that each hold a part of every sequence. */
function halves(all: readonly OracleSequence[]): OracleSequence[][] {
  return [0, 1].map((rank) =>
    all.map((sequence) => {
      const middle = sequence.tokens.length >> 1;
      const tokens = rank === 0 ? sequence.tokens.slice(0, middle) : sequence.tokens.slice(middle);
      return { ...sequence, tokens };
    }),
  );
}

describe.each(CASES)(`layouts, %s (seed ${SEED})`, (_, objective) => {
  const given = pack(objective, sequences);
  const result = policyLossSync(given);

  it('has the same bits in padded rows', () => {
    const stride = 43;
    const actual = policyLossSync(padded(given, stride));
    expect(actual.diagnostics).toEqual(result.diagnostics);
    sequences.forEach((sequence, i) => {
      const row = actual.dlogp.data.slice(i * stride, (i + 1) * stride);
      expectSameBits(`row ${i}`, row.slice(0, sequence.tokens.length), sequenceGradient(given, result, i));
      expect(row.slice(sequence.tokens.length).every((g) => Object.is(g, 0))).toBe(true);
    });
  });

  it('has the same bits for any order of its sequences', () => {
    const order = shuffled(seededRandom(SEED), sequences.length);
    const places = order.map((_, i) => order.indexOf(i));
    const moved = pack(
      objective,
      order.map((i) => sequences[i]!),
    );
    moved.pairs = Int32Array.from(places); // pair k is of the sequences that were 2 k and 2 k + 1
    const actual = policyLossSync(moved);
    order.forEach((i, place) => {
      const gradient = sequenceGradient(moved, actual, place);
      expectSameBits(`sequence ${i} at ${place}`, gradient, sequenceGradient(given, result, i));
    });
  });

  it('is the same in two phases', () => {
    const mapped = policyLossMapSync(given, policyLossReduceSync(given));
    expectSameBits('dlogp', mapped.dlogp.data, result.dlogp.data);
    expect(mapped.diagnostics).toEqual(result.diagnostics);
  });

  it('writes exact zeros where a token is left out', () => {
    given.mask!.forEach((kept, t) => {
      if (kept === 0) expect(Object.is(result.dlogp.data[t], 0), `token ${t}`).toBe(true);
    });
    expect(result.diagnostics.nonFinite).toBe(0);
  });

  const { gate } = objective;
  const throughSequence =
    gate.kind === 'geometric' ||
    ('level' in gate && gate.level !== undefined && gate.level !== 'token' && !gate.throughToken);
  const weighted = gate.kind === 'clip-weight' || gate.kind === 'gamma';
  it.skipIf(throughSequence && !weighted)('gives ranks that share sequences the whole gradient', () => {
    const parts = halves(sequences).map((part) => pack(objective, part));
    const stats = parts.map((part) => policyLossReduceSync(part));
    const merged = stats[0]!.map((value, i) => value + stats[1]![i]!);
    const results = parts.map((part) => policyLossMapSync(part, merged));
    sequences.forEach((_sequence, i) => {
      const joined = parts.flatMap((part, rank) => [...sequenceGradient(part, results[rank]!, i)]);
      const whole = sequenceGradient(given, result, i);
      expectClose(`sequence ${i}`, joined, whole, { absolute: 1e-9, relative: 1e-6 });
    });
  });
});

describe('pairs', () => {
  it('may share a sequence: the gradients add up', () => {
    const objective = objectives.dpo({ beta: 0.5 });
    const chosen = { ...sequences.find((of) => of.tokens.length > 5)! };
    const [first, second] = sequences.filter((of) => of.tokens.length > 8).slice(1, 3);
    const given = pack(objective, [chosen, first!, second!]);
    const both = policyLossSync({ ...given, pairs: Int32Array.of(0, 1, 0, 2) });
    const each = [1, 2].map((other) => policyLossSync({ ...given, pairs: Float64Array.of(0, other) }));
    const sums = both.dlogp.data.map((_, t) => each[0]!.dlogp.data[t]! + each[1]!.dlogp.data[t]!);
    expectClose('dlogp', both.dlogp.data, sums, { absolute: 1e-9, relative: 1e-6 });
    expect(both.diagnostics.pairs).toBe(2);
    const right = each.reduce((sum, { diagnostics }) => sum + diagnostics.pairsRight, 0);
    expect(both.diagnostics.pairsRight).toBe(right);
  });

  it('give nothing where one side has no token', () => {
    const empty = { ...sequences[0]!, tokens: [] };
    const given = pack(objectives.dpo(), [sequences[1]!, empty]);
    const { dlogp, diagnostics } = policyLossSync(given);
    expect([diagnostics.loss, diagnostics.pairs]).toEqual([0, 0]);
    expect(dlogp.data.every((g) => Object.is(g, 0))).toBe(true);
  });

  it('leave one set of stats per sequence', () => {
    const stats = policyLossReduceSync(pack(objectives.dpo(), sequences));
    expect(stats.length).toBe(SEQUENCE_STATS * sequences.length);
  });
});

describe('a gate', () => {
  it('of A w = 0 gives exactly nothing, whatever the log-probs hold', () => {
    for (const [name, objective] of CASES) {
      if (objective.kl !== undefined || objective.sequenceTerm !== null) continue;
      const far = sequences.map((of) => ({ ...of, advantage: 0 }));
      const { dlogp, diagnostics } = policyLossSync(pack(objective, far));
      expect(
        dlogp.data.every((g) => g === 0),
        name,
      ).toBe(true);
      expect(diagnostics.loss, name).toBe(0);
    }
  });

  it('of a huge ratio stays finite and is counted', () => {
    const token = { logp: -1, old: -90, behaviour: -90, ref: -1, weight: 1, kept: true };
    for (const [name, objective] of CASES) {
      if (objective.kl !== undefined || objective.sequenceTerm !== null) continue;
      for (const advantage of [1, -1]) {
        const { dlogp, diagnostics } = policyLossSync(
          pack(objective, [{ advantage, scale: 1, tokens: [token, { ...token, logp: -2 }] }]),
        );
        expect(dlogp.data.every(Number.isFinite), name).toBe(true);
        const { kind } = objective.gate;
        // Of one sign of A only: those that are masked, NFT, and the cuts of a geometric mean.
        if (objective.tokenMask !== undefined || kind === 'nft' || kind === 'geometric') continue;
        const counted = 'anchor' in objective.gate && kind !== 'log-ratio';
        expect(diagnostics.ratioOverflow, name).toBe(counted ? 2 : 0);
      }
    }
  });
});
