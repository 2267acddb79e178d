import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadPolicy } from '../../lib/policy/checkpoint.ts';
import { builtInTrainer } from '../../lib/train/built-in-trainer.ts';
import { readExampleShards, writeExampleShard } from '../../lib/train/example-shards.ts';
import { examplesOf } from '../../lib/train/examples.ts';
import { OBJECTIVE_NAMES, objectiveSpec } from '../../lib/train/objective-spec.ts';
import type { TrainingJob } from '../../lib/train/trainer.ts';
import { temporaryFolder } from '../data/temporary-folder.ts';
import { copyOf, problem, tinyPolicy, weighted, weightsOf } from './problem.ts';

const SEED = 31_007;
const place = temporaryFolder();

function job(more: Pick<TrainingJob, 'data' | 'objective'> & Partial<TrainingJob>): TrainingJob {
  const checkpoint = place(`${more.objective.name}.safetensors`);
  return { updates: 3, responsesPerUpdate: 8, lr: 1e-3, seed: SEED, checkpoint, ...more };
}

it.each(OBJECTIVE_NAMES)('%s: examples and an objective give a checkpoint', async (name) => {
  const policy = tinyPolicy(SEED);
  const examples = (await problem(policy, SEED)).map((example) => ({ ...example, refLogprobs: null }));
  const trained = await builtInTrainer({ policy }).train(
    job({ data: { examples }, objective: objectiveSpec(name) }),
  );
  expect(trained.result).toMatchObject({ updates: 3, responses: 24 });
  expect(trained.result.tokens).toBeGreaterThan(24);
  expect(trained.examples).toBe({ rft: 6, psr: 6, nsr: 14, npo: 14 }[name as string] ?? 20);
  const saved = weightsOf(loadPolicy(trained.checkpoint, { threads: 1 }));
  expect(saved).toEqual(weightsOf(policy));
  expect(saved).not.toEqual(weightsOf(tinyPolicy(SEED)));
});

describe('shards', () => {
  it('train to the same bits as the examples they hold', async () => {
    const start = tinyPolicy(SEED);
    const examples = weighted(await problem(start, SEED), SEED).map((e) => ({ ...e, advantage: 0 }));
    const shards = [place('a.jsonl'), place('b.jsonl')];
    expect(await writeExampleShard(shards[0]!, examples.slice(0, 9))).toBe(9);
    await writeExampleShard(shards[1]!, examples.slice(9));
    const objective = objectiveSpec('bcpgNsa', { tau: 0.1 });
    const [a, b] = [copyOf(start), copyOf(start)];
    await builtInTrainer({ policy: a }).train(job({ data: { examples }, objective }));
    await builtInTrainer({ policy: b }).train(job({ data: { shards }, objective }));
    expect(weightsOf(b)).toEqual(weightsOf(a));
  });

  it('with a bad row are refused by file, line and field', async () => {
    const examples = (await problem(tinyPolicy(SEED), SEED)).map((e) => ({ ...e, advantage: 0 }));
    const file = place('bad.jsonl');
    await writeExampleShard(file, examples);
    const lines = readFileSync(file, 'utf8').split('\n');
    lines[4] = lines[4]!.replace('"token_weight":[', '"token_weight":[1,');
    writeFileSync(file, lines.join('\n'));
    await expect(readExampleShards([file])).rejects.toThrow(
      /bad\.jsonl: line 5: token_weight: has \d+ entries/,
    );
  });
});

it('train rows joined with their rollouts carry group, reward and verdict', () => {
  const rollout = (rollout_id: string, verdict: 'right' | 'wrong' | 'unknown', reward: number | null) => ({
    ...{ rollout_id, prompt_id: 'p', iteration: 0, group_id: 'g', group_index: 0, response_text: 'x' },
    ...{ prompt_ids: [1], response_ids: [2], sampler: { engine: 'e', model: 'm' }, verdict, reward },
  });
  const rollouts = [rollout('a', 'right', null), rollout('b', 'wrong', -1), rollout('c', 'unknown', null)];
  const rows = rollouts.map(({ rollout_id, group_id }) => ({
    ...{ rollout_id, group_id, advantage: 0, token_weight: [1], drop_reason: null },
  }));
  const [a, b, c] = examplesOf(rows, new Map(rollouts.map((r) => [r.rollout_id, r])));
  expect(a).toMatchObject({ groupId: 'g', right: true, reward: 1 });
  expect(b).toMatchObject({ groupId: 'g', right: false, reward: -1 });
  expect(c).not.toHaveProperty('right');
  expect(c).not.toHaveProperty('reward');
});
