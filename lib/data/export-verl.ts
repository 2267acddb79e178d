import { type ExportSource, exportedRollouts, responseIds } from './export-source.ts';
import type { Prompt } from './records.ts';

export interface VerlRow {
  rollout_id: string;
  /** verl's name of the group that shares a baseline. */
  uid: string;
  data_source: string | null;
  prompt: Prompt['messages'];
  reward_model: Prompt['reward_model'];
  /** Ids of the rendered prompt; null where they were not stored. */
  prompts: number[] | null;
  responses: number[];
  /** 1 for every token that the policy sampled. */
  response_mask: number[];
  /** Advantage times token weight, for each token of the response. */
  advantages: number[];
  /** Null where they were not stored. */
  rollout_log_probs: number[] | null;
  logprob_kind: string | null;
}

/**
 * Rows in verl's names, with credit per token. Throws ERR_LAPIDARY_DATA for a rollout without response_ids or with
 * lists of unequal lengths.
 */
export function* exportVerl(source: ExportSource): Generator<VerlRow> {
  for (const exported of exportedRollouts(source)) {
    const { prompt, rollout, train } = exported;
    const ids = responseIds(exported);
    yield {
      rollout_id: rollout.rollout_id,
      uid: rollout.group_id,
      data_source: prompt.data_source ?? null,
      prompt: prompt.messages,
      reward_model: prompt.reward_model,
      prompts: rollout.prompt_ids ?? null,
      responses: ids,
      response_mask: ids.map(() => 1),
      // Adding 0 turns -0 into 0.
      advantages: train.token_weight.map((weight) => train.advantage * weight + 0),
      rollout_log_probs: rollout.behavior_logprobs ?? null,
      logprob_kind: rollout.behavior_logprobs == null ? null : (rollout.logprob_kind ?? null),
    };
  }
}
