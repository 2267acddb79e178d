import { z } from 'zod';

/**
 * The tables of a run, one schema per record. JSON names are the column names; a null or absent column means
 * "not computed", never 0; unknown columns are kept. Ids are lower-case hex SHA-256 of canonical content
 * (see ids.ts), so deduplication, resuming and provenance are one mechanism.
 */
const int = z.number().int();
const nonNegative = int.min(0);

export const Prompt = z.looseObject({
  prompt_id: z.string().min(1),
  messages: z.array(z.object({ role: z.string(), content: z.string() })).min(1),
  data_source: z.string().nullish(),
  /** `style` picks the verifier: "math" compares final answers, "chain" is the generated task. */
  reward_model: z.object({ style: z.string(), ground_truth: z.string() }),
  extra_info: z.record(z.string(), z.unknown()).nullish(),
});
export type Prompt = z.infer<typeof Prompt>;

/** What a stored log-prob means; mandatory beside `behavior_logprobs`. */
export const LogprobKind = z.enum([
  'raw_full_vocab',
  'processed_temperature',
  'processed_truncated',
  'recomputed_trainer',
]);

export const Verdict = z.enum(['right', 'wrong', 'unknown']);
export type Verdict = z.infer<typeof Verdict>;

export const Rollout = z.looseObject({
  rollout_id: z.string().min(1),
  prompt_id: z.string().min(1),
  iteration: nonNegative,
  /** Rollouts that share a baseline. Absent in a file: derived from (prompt_id, iteration, sampler). */
  group_id: z.string().min(1),
  group_index: nonNegative,
  prompt_ids: z.array(nonNegative).nullish(),
  response_ids: z.array(nonNegative).nullish(),
  response_text: z.string(),
  behavior_logprobs: z.array(z.number()).nullish(),
  logprob_kind: LogprobKind.nullish(),
  /** log π_ref of each response token, over the whole vocabulary: the anchor of the sequence term. */
  ref_logprobs: z.array(z.number()).nullish(),
  sampler: z.looseObject({ engine: z.string(), model: z.string(), temperature: z.number().nullish() }),
  finish_reason: z.string().nullish(),
  verdict: Verdict.nullish(),
  reward: z.number().nullish(),
  verifier: z.string().nullish(),
  /** The rule that fired, e.g. "rational-equal", "no-answer". */
  verifier_rule: z.string().nullish(),
});
export type Rollout = z.infer<typeof Rollout>;

/** A step: character span (UTF-16 units) and token span, both half open. Steps of a response cover it exactly. */
export const Step = z.looseObject({
  rollout_id: z.string().min(1),
  segmenter_id: z.string().min(1),
  k: nonNegative,
  char_start: nonNegative,
  char_end: nonNegative,
  /** Null where the rollout has no token ids. */
  token_start: nonNegative.nullable(),
  token_end: nonNegative.nullable(),
});
export type Step = z.infer<typeof Step>;

/** One row per judge and step; never overwritten. Consensus is a view over these. */
export const StepVerdict = z.looseObject({
  rollout_id: z.string().min(1),
  segmenter_id: z.string().min(1),
  k: nonNegative,
  judge_id: z.string().min(1),
  /** 1 right, 0 wrong, -1 abstain. */
  label: z.union([z.literal(1), z.literal(0), z.literal(-1)]),
  /** Whether the step corrects an earlier error; kept, so that propagation can be applied again without new calls. */
  recovers: z.boolean().nullish(),
  /** 'step' (also where absent): the step's own content. 'prefix': the response up to the step's end. */
  scope: z.enum(['step', 'prefix']).nullish(),
  score: z.number().nullish(),
  reason: z.string().nullish(),
});
export type StepVerdict = z.infer<typeof StepVerdict>;

/** The only table the trainer needs beside the rollouts. `token_weight` has one entry per response token. */
export const TrainRow = z.looseObject({
  rollout_id: z.string().min(1),
  group_id: z.string().min(1),
  advantage: z.number(),
  token_weight: z.array(z.number()),
  /** Null: the row is trained on. Otherwise why the view leaves it out (flat_group, unknown_verdict, …). */
  drop_reason: z.string().nullable(),
});
export type TrainRow = z.infer<typeof TrainRow>;

export const EvalRow = z.looseObject({
  run_id: z.string().min(1),
  prompt_id: z.string().min(1),
  n: nonNegative,
  c: nonNegative,
  greedy: z.boolean(),
});
export type EvalRow = z.infer<typeof EvalRow>;
