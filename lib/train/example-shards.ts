import { z } from 'zod';
import { readJsonl, writeJsonlAtomic } from '../data/jsonl.ts';
import { dataError } from '../errors.ts';
import type { Example } from './examples.ts';

const ids = z.array(z.number().int().min(0));
const perToken = z.array(z.number());

/** A row of a training shard: the columns of the rollouts and train tables that a trainer reads. */
const ShardRow = z.object({
  rollout_id: z.string().min(1),
  group_id: z.string().min(1).optional(),
  prompt_ids: ids.min(1),
  response_ids: ids,
  advantage: z.number(),
  token_weight: perToken,
  behavior_logprobs: perToken.nullable(),
  ref_logprobs: perToken.nullable(),
  reward: z.number().optional(),
  right: z.boolean().optional(),
});

/** Writes examples as a JSON Lines shard, whole or not at all. Resolves to the number of rows. */
export function writeExampleShard(path: string, examples: Iterable<Example>): Promise<number> {
  function* rows() {
    for (const example of examples) {
      yield {
        rollout_id: example.rolloutId,
        group_id: example.groupId,
        prompt_ids: Array.from(example.promptIds),
        response_ids: Array.from(example.responseIds),
        advantage: example.advantage,
        token_weight: Array.from(example.tokenWeights),
        behavior_logprobs: listOf(example.behaviourLogprobs),
        ref_logprobs: listOf(example.refLogprobs),
        reward: example.reward,
        right: example.right,
      };
    }
  }
  return writeJsonlAtomic(path, rows());
}

/** The examples of shards, in the order of the paths. @throws LapidaryError ERR_LAPIDARY_DATA: file, line and field */
export async function readExampleShards(paths: readonly string[]): Promise<Example[]> {
  const examples: Example[] = [];
  for (const path of paths) {
    for await (const { row, line } of readJsonl(path, ShardRow)) {
      const tokens = row.response_ids.length;
      for (const name of ['token_weight', 'behavior_logprobs', 'ref_logprobs'] as const) {
        const entries = row[name]?.length ?? tokens;
        if (entries !== tokens)
          throw dataError(path, line, name, `has ${entries} entries for ${tokens} tokens`);
      }
      examples.push(exampleOf(row));
    }
  }
  return examples;
}

function exampleOf({ group_id: groupId, reward, right, ...row }: z.infer<typeof ShardRow>): Example {
  return {
    rolloutId: row.rollout_id,
    promptIds: row.prompt_ids,
    responseIds: row.response_ids,
    advantage: row.advantage,
    tokenWeights: row.token_weight,
    behaviourLogprobs: row.behavior_logprobs,
    refLogprobs: row.ref_logprobs,
    ...(groupId === undefined ? {} : { groupId }),
    ...(reward === undefined ? {} : { reward }),
    ...(right === undefined ? {} : { right }),
  };
}

function listOf(values: ArrayLike<number> | null): number[] | null {
  return values === null ? null : Array.from(values);
}
