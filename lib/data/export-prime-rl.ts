import { type ExportSource, exportError, exportedRollouts, responseIds } from './export-source.ts';

/** All lists have one entry per token of prompt and response together. */
export interface PrimeRlRow {
  rollout_id: string;
  group_id: string;
  token_ids: number[];
  /** True on the tokens that the policy sampled. */
  mask: boolean[];
  /** 0 on the prompt; null where the rollout has none. */
  logprobs: number[] | null;
  logprob_kind: string | null;
  /** The response's advantage on each of its tokens, 0 on the prompt. */
  advantages: number[];
  /** The token weights apart from it, 0 on the prompt. */
  rl_weights: number[];
}

/**
 * Rows in prime-rl's names: advantage and weight apart. Throws ERR_LAPIDARY_DATA for a rollout without prompt_ids
 * or response_ids, or with lists of unequal lengths.
 */
export function* exportPrimeRl(source: ExportSource): Generator<PrimeRlRow> {
  for (const exported of exportedRollouts(source)) {
    const { rollout, train } = exported;
    const ids = responseIds(exported);
    const promptIds = rollout.prompt_ids;
    if (promptIds == null)
      throw exportError('prompt_ids', rollout.rollout_id, 'is missing; the format holds tokens');
    const afterPrompt = (values: readonly number[]) => [...promptIds.map(() => 0), ...values];
    const logprobs = rollout.behavior_logprobs;
    yield {
      rollout_id: rollout.rollout_id,
      group_id: rollout.group_id,
      token_ids: [...promptIds, ...ids],
      mask: [...promptIds.map(() => false), ...ids.map(() => true)],
      logprobs: logprobs == null ? null : afterPrompt(logprobs),
      logprob_kind: logprobs == null ? null : (rollout.logprob_kind ?? null),
      advantages: afterPrompt(ids.map(() => train.advantage)),
      rl_weights: afterPrompt(train.token_weight),
    };
  }
}
