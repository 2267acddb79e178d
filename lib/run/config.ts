import { z } from 'zod';

import { LogprobKind } from '../data/records.ts';
import { RULE_NAMES } from '../judge/consensus-rule.ts';
import { JudgeConfig } from './judge-config.ts';

/** A run as a TOML file. Strict: a misspelt key is an error, not a default. Loading and checking: load-config.ts. */
const positive = z.number().int().positive();
/** A name people read; it names no file. */
const Name = z.string().regex(/^[^\p{Cc}]{1,60}$/u, 'expected 1 to 60 printable characters');

export const Data = z.discriminatedUnion('source', [
  z.strictObject({
    /** Stored rollouts. */
    source: z.literal('file'),
    path: z.string(),
    /** What the file holds; 'auto' tells by its first row. */
    format: z.enum(['auto', 'flat', 'grouped', 'openai', 'trl', 'verl', 'nemo-rl']).default('auto'),
    /** The prompts table; only beside a rollouts table. */
    prompts: z.string().optional(),
    /** A Hugging Face tokenizer.json for the stored token ids. Without it responses are cut into bytes. */
    tokenizer: z.string().optional(),
    /** The token that ends a response, where tokenizer_config.json does not say. */
    eos_token: z.string().optional(),
    /** What stored log-probs mean, where the file does not say. */
    logprob_kind: LogprobKind.optional(),
    /** The column of the gold answer, where it has a name of its own. */
    answer_column: z.string().optional(),
    /** 'skip' leaves malformed rows out and counts them. */
    bad_rows: z.enum(['stop', 'skip']).default('stop'),
  }),
  z.strictObject({
    /** The generated task: sample `prompts` x `samples_per_prompt` from the policy. */
    source: z.literal('chains'),
    prompts: positive,
    samples_per_prompt: positive,
    operations: positive.max(12),
  }),
]);

const Verify = z.strictObject({
  /** Whether answers that no rule decides are given to the computer algebra. */
  symbolic: z.boolean().default(true),
  timeout_seconds: z.number().positive().default(5),
});

const stepLengths = {
  min_chars: positive.default(1),
  max_chars: positive.default(2000),
  /** Of the stored token ids. */
  max_tokens: positive.optional(),
  /** About this many steps a response, within the lengths. */
  target_steps: positive.optional(),
};

const Segment = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('rules'),
    unit: z.enum(['paragraph', 'sentence', 'line']).default('paragraph'),
    ...stepLengths,
  }),
  /** Segment any Text; needs the packages onnxruntime-node and tokenizers, and the model's files. */
  z.strictObject({
    kind: z.literal('sat'),
    model: z.string(),
    model_tokenizer: z.string(),
    mode: z.enum(['threshold', 'viterbi', 'greedy']).default('threshold'),
    threshold: z.number().min(0).max(1).optional(),
    ...stepLengths,
  }),
]);

const PolicyShape = z.strictObject({
  width: positive,
  layers: positive,
  heads: positive,
  mlp_width: positive,
  max_context: positive,
  /** Prompts are cut to their last tokens. */
  max_prompt: positive,
  /** The head is the embedding. */
  tied_head: z.boolean().default(false),
});

const Optimiser = z.strictObject({
  updates: positive,
  responses_per_update: positive,
  lr: z.number().positive(),
});

const Train = Optimiser.extend({
  schedule: z.enum(['constant', 'cosine']).default('constant'),
  warmup_updates: z.number().int().min(0).default(0),
  weight_decay: z.number().min(0).default(0),
  max_grad_norm: z.number().positive().default(1),
  /** Updates between two saved states, from which a cut-off training goes on. */
  checkpoint_every: positive.default(50),
});

const Consensus = z.union([
  z.enum(RULE_NAMES),
  z.strictObject({ at_least: positive }),
  z.strictObject({ dawid_skene: z.number().min(0.5).max(1) }),
]);

/** Keys beside these are options of the objective (`tau`, `clip_low`, ...), checked by it. */
export const Method = z
  .object({
    name: Name,
    objective: z.string().min(1),
    /** The weight of right steps inside wrong responses; 1 is plain BCPG. */
    beta: z.number().min(-1).max(1).default(1),
    /** Whether an error makes the steps after it wrong until one recovers (the paper), or each stands for itself. */
    propagation: z.enum(['propagate', 'local']).default('propagate'),
    /** The judges whose agreement counts, by name; default: all that are not marked `control`. */
    judges: z.array(Name).min(1).optional(),
    /** Unanimity is the paper's; `{ at_least = 2 }` and `{ dawid_skene = 0.9 }` (the posterior asked for) by number. */
    consensus: Consensus.default('unanimity'),
    /** Default: the run's own number. */
    iterations: positive.optional(),
    /** The table of the report that the method stands in. */
    table: z.string().default('Methods'),
  })
  .catchall(z.union([z.number(), z.string(), z.boolean()]));
export type Method = z.infer<typeof Method>;

const Evaluate = z.strictObject({
  /** Held-out prompts of the generated task. */
  prompts: positive,
  samples_per_prompt: positive,
  /** pass@k is reported for these. */
  k: z.array(positive).default([1]),
  /** The methods that all others are compared with. Default: the first. */
  against: z.array(Name).min(1).optional(),
});

export const RunConfig = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/),
  /** Of the policy, the text it is warmed up on, and the held-out prompts. */
  seed: z.number().int().min(0).default(0),
  threads: z.number().int().min(0).default(0),
  data: Data,
  verify: Verify.prefault({}),
  segment: Segment.prefault({ kind: 'rules' }),
  judges: z.array(JudgeConfig).default([]),
  judge_concurrency: positive.default(16),
  /** Cap in US dollars on all judges together, over all runs in the directory; needs prices. */
  judge_max_usd: z.number().positive().optional(),
  /** Only verdicts on wrong responses of mixed groups change the training; the others cost as much to get. */
  judge_responses: z.enum(['all', 'wrong_in_mixed_groups']).default('all'),
  policy: PolicyShape.optional(),
  warmup: Optimiser.optional(),
  train: Train.optional(),
  /** Each draws prompts, rollouts and training order of its own, from the same start; every method runs on each. */
  seeds: z.array(z.number().int().min(0)).min(1).default([0]),
  /** Sample, verify, judge, train: this many times, each from the policy that the one before made. */
  iterations: positive.default(1),
  methods: z.array(Method).default([]),
  evaluate: Evaluate.optional(),
});
export type RunConfig = z.infer<typeof RunConfig>;
