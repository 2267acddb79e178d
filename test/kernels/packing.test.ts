import { describe, expect, it } from 'vitest';
import { objectives } from '../../lib/kernels/objectives.ts';
import {
  DIAGNOSTICS,
  EXTREMA,
  policyLossMapSync,
  policyLossReduceSync,
  policyLossSync,
  SEQUENCE_STATS,
} from '../../lib/kernels/policy-loss.ts';
import { type OracleSequence, sequenceLoss } from '../oracle/policy-loss.ts';
import { type Random, seededRandom } from '../random.ts';
import { expectClose, expectSameBits } from './compare.ts';
import { pack, randomSequences, sequenceGradient } from './sequences.ts';

const SEED = 4503;
const ALL = [
  objectives.bcpgNsa({ tau: 0.05 }),
  objectives.grpo(),
  { ...objectives.grpo(), name: 'grpo + square', sequenceTerm: objectives.bcpg({ tau: 0.2 }).sequenceTerm },
];
const COUNTS = [
  'tokens',
  'sequences',
  'clipped',
  'ratioOverflow',
  'positiveTokens',
  'sMaxAbs',
  'gradAbsMax',
] as const;

function shuffled(random: Random, count: number): number[] {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = random.int(0, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

describe.each(ALL.map((objective) => [objective.name, objective] as const))(
  `packing, %s (seed ${SEED})`,
  (_, objective) => {
    const sequences = randomSequences(seededRandom(SEED), { count: 90 });
    const given = pack(objective, sequences);
    const result = policyLossSync(given);

    it('gives each sequence the same bits in any order', () => {
      const random = seededRandom(SEED);
      for (let round = 0; round < 3; round++) {
        const order = shuffled(random, sequences.length);
        const moved = pack(
          objective,
          order.map((i) => sequences[i]!),
        );
        const movedResult = policyLossSync(moved);
        order.forEach((i, place) => {
          const actual = sequenceGradient(moved, movedResult, place);
          expectSameBits(`sequence ${i} at ${place}`, actual, sequenceGradient(given, result, i));
        });
        for (const name of COUNTS) expect(movedResult.diagnostics[name], name).toBe(result.diagnostics[name]);
      }
    });

    it('gives a batch of one what the packed batch gives', () => {
      const sums = Object.fromEntries(DIAGNOSTICS.map((name) => [name, 0]));
      sequences.forEach((sequence, i) => {
        const alone = pack(objective, [sequence]);
        const own = policyLossSync(alone);
        expectSameBits(`sequence ${i}`, own.dlogp.data, sequenceGradient(given, result, i));
        for (const name of DIAGNOSTICS) {
          const value = own.diagnostics[name];
          const extremum = EXTREMA.includes(name);
          sums[name] = extremum ? Math.max(sums[name]!, value) : sums[name]! + value;
        }
      });
      // The batch adds its sequences in this very order.
      expect(sums).toEqual(result.diagnostics);
    });

    it('is unmoved by empty sequences in between', () => {
      const empty: OracleSequence = { advantage: 5, scale: 9, tokens: [] };
      const spread = sequences.flatMap((sequence) => [empty, sequence]);
      const actual = policyLossSync(pack(objective, [...spread, empty]));
      expectSameBits('dlogp', actual.dlogp.data, result.dlogp.data);
      expect(actual.diagnostics).toEqual(result.diagnostics);
    });

    it('reads offsets from a Float64Array as well', () => {
      const cuSeqlens = Float64Array.from(given.cuSeqlens);
      expect(policyLossSync({ ...given, cuSeqlens })).toEqual(result);
    });

    it('is the same in two phases', () => {
      const stats = policyLossReduceSync(given);
      sequences.forEach((sequence, i) => {
        expect(stats[SEQUENCE_STATS * i]).toBe(sequence.tokens.filter((token) => token.kept).length);
        expectClose(`S of ${i}`, [stats[SEQUENCE_STATS * i + 1]!], [sequenceLoss(objective, sequence).s], {
          absolute: 1e-12,
        });
      });
      const mapped = policyLossMapSync(given, stats);
      expectSameBits('dlogp', mapped.dlogp.data, result.dlogp.data);
      expect(mapped.diagnostics).toEqual(result.diagnostics);
    });

    it('gives ranks that share sequences the gradient of the whole', () => {
      // Each rank holds a part of every sequence; they add up their stats between the phases.
      const halves = [0, 1].map((rank) =>
        pack(
          objective,
          sequences.map((sequence) => {
            const middle = sequence.tokens.length >> 1;
            const tokens = rank === 0 ? sequence.tokens.slice(0, middle) : sequence.tokens.slice(middle);
            return { ...sequence, tokens };
          }),
        ),
      );
      const parts = halves.map((part) => policyLossReduceSync(part));
      const merged = parts[0]!.map((value, i) => value + parts[1]![i]!);
      const gradients = halves.map((half) => policyLossMapSync(half, merged));
      sequences.forEach((_sequence, i) => {
        const joined = halves.flatMap((half, rank) => [...sequenceGradient(half, gradients[rank]!, i)]);
        const whole = sequenceGradient(given, result, i);
        expectClose(`sequence ${i}`, joined, whole, { absolute: 1e-12, relative: 2e-7 });
      });
    });
  },
);
