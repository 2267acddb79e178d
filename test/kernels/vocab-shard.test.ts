import { describe, expect, it } from 'vitest';
import { type FloatDType, Tensor } from '../../lib/kernels/tensor.ts';
import { tokenLogprobsSync } from '../../lib/kernels/token-logprobs.ts';
import {
  mergeVocabShards,
  type VocabShardOptions,
  vocabShardBackward,
  vocabShardBackwardSync,
  vocabShardStats,
  vocabShardStatsSync,
} from '../../lib/kernels/vocab-shard.ts';
import { oracleTransformedGradient, oracleTransformedRow } from '../oracle/token-logprobs.ts';
import { seededRandom } from '../random.ts';
import { decode, floats, ints, type Matrix, matrix, normal, rowOf } from './batches.ts';
import { expectClose, expectSameBits, ROUNDING, use, VARIANTS } from './compare.ts';

const SEED = 2405;

/** The columns of `whole` between the cuts, each shard in rows of its own. */
function shardsOf(whole: Matrix, targets: number[], cuts: number[]) {
  return [0, ...cuts].map((begin, r) => {
    const end = cuts[r] ?? whole.columns;
    const logits = Tensor.alloc(whole.tensor.dtype, [whole.rows, end - begin]) as Tensor<FloatDType>;
    for (let t = 0; t < whole.rows; t++) {
      const from = t * whole.columns;
      logits.data.set(whole.tensor.data.subarray(from + begin, from + end), t * (end - begin));
    }
    return { logits, targets: ints(targets), begin };
  });
}

type Shard = ReturnType<typeof shardsOf>[number];

function merged(shards: Shard[], options: VocabShardOptions = {}) {
  const stats = shards.map((shard) => vocabShardStatsSync(shard, options));
  return mergeVocabShards(stats, { entropy: options.entropy === true });
}

/** The gradient of whole rows, put together from the shards'. */
function gradient(
  shards: Shard[],
  columns: Omit<Parameters<typeof vocabShardBackwardSync>[0], keyof Shard>,
  options: VocabShardOptions = {},
) {
  const parts = shards.map((shard) => decode(vocabShardBackwardSync({ ...shard, ...columns }, options)));
  const rows = shards[0]!.targets.size;
  return Array.from({ length: rows }, (_, t) =>
    parts.flatMap((part) => [...part.subarray((t * part.length) / rows, ((t + 1) * part.length) / rows)]),
  ).flat();
}

describe.each(VARIANTS)(
  `vocabulary shards, $implementation $dtype (seed ${SEED})`,
  ({ implementation, dtype }) => {
    const relative = Math.max(1e-5, 1.01 * ROUNDING[dtype]);

    it.each([
      [2, [1]],
      [7, [3]],
      [300, [100, 101, 230]],
      [9001, [2048, 4096]],
      [9001, [7]],
      [30011, [4999, 20000, 30010]],
    ])('agree with float64 at V = %i, cut at %j', (vocab, cuts) => {
      use(implementation);
      const random = seededRandom(SEED + vocab);
      const whole = matrix(dtype, 5, vocab, () => 3 * normal(random));
      const targets = [0, vocab - 1, cuts[0]!, cuts[0]! - 1, random.int(0, vocab - 1)];
      const shards = shardsOf(whole, targets, cuts);
      const result = merged(shards, { entropy: true });
      const rows = targets.map((target, t) => oracleTransformedRow(rowOf(whole, t), target, {}));
      const close = { absolute: 3e-6, relative: 3e-6 };
      expectClose(
        'logp',
        result.logp.data,
        rows.map((row) => row.logp),
        close,
      );
      expectClose(
        'lse',
        result.lse.data,
        rows.map((row) => row.lse),
        close,
      );
      expectClose(
        'entropy',
        result.entropy!.data,
        rows.map((row) => row.entropy),
        { absolute: 2e-5, relative: 2e-5 },
      );
      const dlogp = targets.map(() => Math.fround(normal(random)));
      const dentropy = targets.map(() => Math.fround(normal(random)));
      const columns = { ...result, dlogp: floats(dlogp), dentropy: floats(dentropy) };
      const expected = targets.flatMap((target, t) => [
        ...oracleTransformedGradient(rowOf(whole, t), target, {}, dlogp[t]!, dentropy[t]!),
      ]);
      expectClose('gradient', gradient(shards, columns), expected, { absolute: 2e-6, relative });
    });

    it('have temperatures and a softcap', () => {
      use(implementation);
      const random = seededRandom(SEED);
      const whole = matrix(dtype, 3, 203, () => 4 * normal(random));
      const targets = [5, 100, 202];
      const shards = shardsOf(whole, targets, [64, 128]);
      const temperatures = floats([0.5, 1, 1.5]);
      const options = { temperature: temperatures, softcap: 10 };
      const result = merged(shards, options);
      const transform = (t: number) => ({ temperature: temperatures.data[t]!, softcap: 10 });
      const rows = targets.map((target, t) => oracleTransformedRow(rowOf(whole, t), target, transform(t)));
      expectClose(
        'logp',
        result.logp.data,
        rows.map((row) => row.logp),
        { absolute: 5e-6, relative: 5e-6 },
      );
      const expected = targets.flatMap((target, t) => [
        ...oracleTransformedGradient(rowOf(whole, t), target, transform(t), 1),
      ]);
      const actual = gradient(shards, { ...result, dlogp: floats([1, 1, 1]) }, options);
      expectClose('gradient', actual, expected, { absolute: 2e-6, relative });
    });

    it('keep the digits of a certain answer, and of p where logits are near 1e4', () => {
      use(implementation);
      const certain = matrix(dtype, 1, 4096, (_, v) => (v === 3000 ? 30 : Math.sin(v)));
      const { logp } = merged(shardsOf(certain, [3000], [1000, 2000]));
      const expected = oracleTransformedRow(rowOf(certain, 0), 3000, {}).logp;
      expectClose('logp next to 0', logp.data, [expected], { relative: 3e-6 });
      const random = seededRandom(SEED);
      const huge = matrix(dtype, 4, 300, () => random.pick([9990, 9998, 1e4]) + random.next());
      const targets = [0, 100, 200, 299];
      const shards = shardsOf(huge, targets, [150]);
      const actual = gradient(shards, { ...merged(shards), dlogp: floats([1, 1, 1, 1]) });
      const exact = targets.flatMap((target, t) => [
        ...oracleTransformedGradient(rowOf(huge, t), target, {}, 1),
      ]);
      expectClose('gradient near 1e4', actual, exact, { absolute: 1e-7, relative });
    });

    it('of one rank are the token log-probs', () => {
      use(implementation);
      const random = seededRandom(SEED);
      const whole = matrix(dtype, 6, 5000, () => 3 * normal(random));
      const targets = [0, 1, 2047, 2048, 4999, -100];
      const result = merged(shardsOf(whole, targets, []), { entropy: true });
      const alone = tokenLogprobsSync({ logits: whole.tensor, targets: ints(targets) }, { entropy: true });
      expectSameBits('logp', result.logp.data, alone.logp.data);
      expectSameBits('lse', result.lse.data, alone.lse.data);
      expectSameBits('entropy', result.entropy!.data, alone.entropy!.data);
    });

    it('that were not asked for the entropy make it NaN, and nothing else', () => {
      use(implementation);
      const whole = matrix(dtype, 1, 20, (_, v) => v / 3);
      const stats = shardsOf(whole, [7], [10]).map((shard) => vocabShardStatsSync(shard));
      const { logp, lse, lseLow, entropy } = mergeVocabShards(stats, { entropy: true });
      expect(Number.isNaN(entropy!.data[0])).toBe(true);
      expect([logp, lse, lseLow].every((column) => Number.isFinite(column.data[0]))).toBe(true);
    });

    it('may hold nothing but -inf; a NaN in one of them is a NaN in its row alone', () => {
      use(implementation);
      const whole = matrix(dtype, 2, 40, (t, v) =>
        v < 20 ? -Infinity : t === 0 && v === 30 ? Number.NaN : v / 9,
      );
      const shards = shardsOf(whole, [25, 25], [20]);
      const result = merged(shards, { entropy: true });
      expect([...result.logp.data].map(Number.isNaN)).toEqual([true, false]);
      const { logp, lse, entropy } = oracleTransformedRow(rowOf(whole, 1), 25, {});
      const actual = [result.logp, result.lse, result.entropy!].map((column) => column.data[1]!);
      expectClose('the other row', actual, [logp, lse, entropy], { absolute: 1e-5 });
      const [, second] = [0, 1].map((t) =>
        gradient(shards, { ...result, dlogp: floats([1, 1]) }).slice(40 * t, 40 * t + 40),
      );
      expect(second!.slice(0, 20).every((x) => x === 0)).toBe(true);
    });

    it('do not read ignored rows, and give them 0', () => {
      use(implementation);
      const whole = matrix(dtype, 2, 30, (t, v) => (t === 0 ? Number.NaN : v / 7));
      const shards = shardsOf(whole, [-100, 29], [10, 20]);
      const result = merged(shards, { entropy: true });
      expect(
        [result.logp, result.lse, result.lseLow, result.entropy!].map((column) => column.data[0]),
      ).toEqual([0, 0, 0, 0]);
      const actual = gradient(shards, { ...result, dlogp: floats([5, 1]) });
      expect(actual.slice(0, 30)).toEqual(Array(30).fill(0));
      expect(actual.slice(30).every((x) => Number.isFinite(x) && x !== 0)).toBe(true);
    });

    it('give the same bits in place, asynchronously, and whatever row is beside them', async () => {
      use(implementation);
      const random = seededRandom(SEED);
      const whole = matrix(dtype, 4, 6007, () => 3 * normal(random));
      const targets = [1, 3000, 6006, 2500];
      const shards = shardsOf(whole, targets, [3001]);
      const result = merged(shards);
      const columns = { ...result, dlogp: floats([1, -2, 0.5, 0]) };
      for (const shard of shards) {
        const stats = vocabShardStatsSync(shard);
        expectSameBits('stats', await vocabShardStats(shard), stats);
        const apart = vocabShardBackwardSync({ ...shard, ...columns });
        expectSameBits('gradient', (await vocabShardBackward({ ...shard, ...columns })).data, apart.data);
        const width = shard.logits.shape[1]!;
        const second = Tensor.from(dtype, shard.logits.data.slice(width, 2 * width) as never, [1, width]);
        const alone = vocabShardStatsSync({
          logits: second as never,
          targets: ints([3000]),
          begin: shard.begin,
        });
        expectSameBits('a row alone', alone, stats.subarray(5, 10));
        const inPlace = vocabShardBackwardSync({ ...shard, ...columns, dlogits: shard.logits });
        expectSameBits('in place', inPlace.data, apart.data);
      }
    });
  },
);

describe('vocabulary shards refuse', () => {
  const whole = matrix('f32', 2, 10, (t, v) => t + v);
  const state = (argument: string) => expect.objectContaining({ code: 'ERR_LAPIDARY_ARGUMENT', argument });
  const stats = (targets: number[], cuts: number[]) =>
    shardsOf(whole, targets, cuts).map((shard) => vocabShardStatsSync(shard));

  it('a target that no shard holds, or two', () => {
    expect(() => mergeVocabShards(stats([1, 10], [5]))).toThrow(
      /stats of row 1: 0 of 2 shards hold the target and 0 ignore the row; expected one to hold it/,
    );
    const [first] = stats([1, 2], []);
    expect(() => mergeVocabShards([first!, first!])).toThrow(/stats of row 0: 2 of 2 shards hold the target/);
  });

  it('a row that only some ignore', () => {
    const [ignored] = stats([-100, 2], [5]);
    const [, other] = stats([1, 2], [5]);
    expect(() => mergeVocabShards([ignored!, other!])).toThrow(
      /stats of row 0: 0 of 2 shards .* and 1 ignore/,
    );
  });

  it('stats of different lengths, and none', () => {
    const [first] = stats([1, 2], []);
    expect(() => mergeVocabShards([first!, first!.subarray(5)])).toThrow(state('shards'));
    expect(() => mergeVocabShards([])).toThrow(state('shards'));
    expect(() => mergeVocabShards([new Float64Array(7)])).toThrow(state('shards'));
  });

  it('a begin that is no place, and an option that is none', () => {
    const [shard] = shardsOf(whole, [1, 2], []);
    for (const begin of [-1, 0.5, 2 ** 31 - 9])
      expect(() => vocabShardStatsSync({ ...shard!, begin })).toThrow(state('begin'));
    expect(() => vocabShardStatsSync(shard!, { top1: true } as never)).toThrow(state('options.top1'));
  });

  it('a target below 0 that is not the ignore index', () => {
    const [shard] = shardsOf(whole, [1, -7], []);
    // A device cannot look; there the merge finds that nobody holds it.
    expect(() => mergeVocabShards([vocabShardStatsSync(shard!)])).toThrow(
      /targets\[1\] is -7|row 1: 0 of 1 shards/,
    );
  });
});
