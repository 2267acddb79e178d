import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Rollout, Step, Verdict } from '../../lib/data/records.ts';
import type { StepLabel } from '../../lib/judge/judge.ts';
import { labelRollouts } from '../../lib/label/label-rollouts.ts';
import { groupBaselines, labelStream } from '../../lib/label/label-stream.ts';
import { type PackedBatch, packStream } from '../../lib/label/pack-stream.ts';
import { type Random, seededRandom } from '../random.ts';

const SEED = 20261123;

function randomSet(random: Random) {
  const rollouts: Rollout[] = [];
  const steps: Step[] = [];
  const labels = new Map<string, StepLabel[]>();
  for (let i = 0; i < 60; i++) {
    const length = random.int(0, 12);
    const rollout_id = `r${i}`;
    rollouts.push({
      ...{ rollout_id, prompt_id: 'p', iteration: 0, group_id: `g${random.int(0, 9)}`, group_index: i },
      ...{
        prompt_ids: [1, 2],
        response_ids: Array.from({ length }, () => random.int(0, 99)),
        response_text: '',
      },
      ...{
        verdict: random.pick<Verdict>(['right', 'wrong', 'wrong', 'unknown']),
        sampler: { engine: 'e', model: 'm' },
      },
      ...(random.next() < 0.3 ? { reward: random.next() } : {}),
      behavior_logprobs: Array.from({ length }, () => Math.fround(-random.next())),
    });
    const own: Step[] = [];
    for (let start = 0; start < length; ) {
      const end = Math.min(length, start + random.int(1, 5));
      const k = own.length;
      own.push({
        rollout_id,
        segmenter_id: 's',
        k,
        char_start: k,
        char_end: k + 1,
        token_start: start,
        token_end: end,
      });
      start = end;
    }
    steps.push(...own);
    if (random.next() < 0.8)
      labels.set(
        rollout_id,
        own.map(() => random.pick<StepLabel>(['right', 'wrong', 'abstain'])),
      );
  }
  return { rollouts, steps, labels };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

describe(`labels as a stream (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  for (let round = 0; round < 20; round++) {
    const { rollouts, steps, labels } = randomSet(random);
    const judged = rollouts.map((rollout) => ({
      rollout,
      steps: steps.filter((step) => step.rollout_id === rollout.rollout_id),
      labels: labels.get(rollout.rollout_id) ?? null,
    }));

    it(`are those of labelRollouts, to the bit: round ${round}`, async () => {
      const baselines = await groupBaselines(rollouts);
      const streamed = await collect(labelStream(judged, { baselines, beta: -0.5 }));
      const whole = labelRollouts({ rollouts, steps, consensus: labels, beta: -0.5, advantage: 'mean' });
      // Where all verdicts of a group agree its rows are dropped, whatever their rewards.
      expect(streamed.map(({ row }) => row.drop_reason)).toEqual(whole.map((row) => row.drop_reason));
      expect(streamed.map(({ row }) => row.token_weight)).toEqual(whole.map((row) => row.token_weight));
      const trained = (row: { drop_reason: string | null; advantage: number }) =>
        row.drop_reason === null ? row.advantage : null;
      expect(streamed.map(({ row }) => trained(row))).toEqual(whole.map(trained));
    });

    it(`pack into batches that lose and add nothing: round ${round}`, async () => {
      const baselines = await groupBaselines(rollouts);
      const maxTokens = random.int(5, 60);
      const rows = (await collect(labelStream(judged, { baselines, beta: 0.5 }))).filter(
        ({ row }) => row.drop_reason === null,
      );
      const batches = await collect(packStream(labelStream(judged, { baselines, beta: 0.5 }), { maxTokens }));
      expect(batches.flatMap(({ rolloutIds }) => rolloutIds)).toEqual(rows.map(({ row }) => row.rollout_id));
      for (const batch of batches) {
        if (batch.rolloutIds.length > 1) expect(batch.tokens.length).toBeLessThanOrEqual(maxTokens);
      }
      expect(batches.flatMap(responses)).toEqual(
        rows.map(({ rollout, row }) => ({
          ...{ ids: rollout.response_ids, weights: row.token_weight.map(Math.fround) },
          ...{ logp: rollout.behavior_logprobs, advantage: Math.fround(row.advantage) },
        })),
      );
    });
  }

  it('refuse a list that is not as long as the ids', async () => {
    const { rollouts } = randomSet(seededRandom(3));
    const rollout = { ...rollouts.find(({ response_ids: ids }) => ids!.length > 1)!, ref_logprobs: [-1] };
    const row = { rollout_id: 'r', group_id: 'g', advantage: 1, drop_reason: null };
    const weights = rollout.response_ids!.map(() => 1);
    const packed = packStream([{ rollout, row: { ...row, token_weight: weights } }], { maxTokens: 10 });
    await expect(collect(packed)).rejects.toThrow(/ref_logprobs: has 1 entries, response_ids has/);
  });
});

function responses(batch: PackedBatch) {
  return batch.rolloutIds.map((_, i) => {
    const end = batch.cuSeqlens[i + 1]!;
    const start = end - batch.lengths[i]!;
    expect([...batch.mask.slice(batch.cuSeqlens[i], end)].filter((bit) => bit === 1)).toHaveLength(
      batch.lengths[i]!,
    );
    return {
      ids: [...batch.tokens.slice(start, end)],
      weights: [...batch.tokenWeights.slice(start, end)],
      logp: [...batch.behaviourLogp.slice(start, end)],
      advantage: batch.advantages[i],
    };
  });
}

it('ten million tokens pass in bounded memory', () => {
  const child = spawnSync(process.execPath, ['bench/stream.mjs', '--tokens', '10000000'], {
    encoding: 'utf8',
    cwd: path.resolve('.'),
  });
  expect(child.stderr).toBe('');
  expect(child.status).toBe(0);
  const megabytes = Number(/peak RSS (\d+) MB/.exec(child.stdout)![1]);
  // The set itself is 10 M ids and 20 M log-probs: 240 MB as numbers. What is held is one response and one batch.
  expect(megabytes).toBeLessThan(230);
});
