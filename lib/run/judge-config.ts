import { z } from 'zod';
import type { TokenPrices } from '../judge/cost-ledger.ts';

const common = {
  /** What methods call it; default: its kind. */
  name: z
    .string()
    .regex(/^[\w.+-]+$/)
    .optional(),
  /** Not part of any consensus unless a method names it. */
  control: z.boolean().default(false),
};
const positive = z.number().int().positive();
const probability = z.number().min(0).max(1);

/** Right and wrong flipped at this rate, by a seeded hash: a program in the role of an imperfect judge. */
const errorRate = {
  error_rate: probability.default(0),
  error_seed: z.number().int().min(0).default(0),
  /** 'verdict': a step's own, and a flip to wrong spreads by propagation; 'label': what propagation made of it. */
  errors_in: z.enum(['verdict', 'label']).default('verdict'),
};
export type ErrorConfig = { error_rate: number; error_seed: number; errors_in: 'verdict' | 'label' };

/** What a judge behind an endpoint can be told about limits and money. */
const paid = {
  /** The environment variable that holds the key; the key itself never enters a file. */
  api_key_env: z.string().optional(),
  timeout_seconds: z.number().positive().default(120),
  max_attempts: positive.default(5),
  max_concurrency: positive.optional(),
  requests_per_minute: positive.optional(),
  tokens_per_minute: positive.optional(),
  /** US dollars per million tokens. */
  input_price: z.number().min(0).optional(),
  output_price: z.number().min(0).optional(),
  cached_input_price: z.number().min(0).optional(),
};

export const JudgeConfig = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('arithmetic'), ...common, ...errorRate, modulus: positive.optional() }),
  z.strictObject({
    kind: z.literal('chain'),
    ...common,
    ...errorRate,
  }),
  z.strictObject({
    kind: z.literal('random'),
    ...common,
    share: probability,
    seed: z.number().int().min(0).default(0),
  }),
  z.strictObject({
    kind: z.literal('monte_carlo'),
    ...common,
    samples: positive.default(4),
    /** Continuations that must reach the gold answer for the step to count as right. */
    min_right: positive.default(1),
  }),
  /** A process reward model behind vLLM's /pooling, or behind a chat endpoint that gives log-probs. */
  z.strictObject({
    kind: z.literal('prm'),
    ...common,
    endpoint: z.url(),
    model: z.string().min(1),
    protocol: z.enum(['pooling', 'chat-logprobs']).default('pooling'),
    /** A step is right from this score up. */
    lambda: probability.default(0.5),
    context_tokens: positive.default(4096),
    merge: z.enum(['most-context', 'mean', 'min']).default('most-context'),
    ...paid,
  }),
  z.strictObject({
    kind: z.literal('llm'),
    ...common,
    /** A cheaper judge listed before: only what it lets pass is asked about; under unanimity the labels are the same. */
    after: z.string().optional(),
    /** Of the responses, the share that is asked about in full all the same, so that agreement stays measurable. */
    audit_share: probability.default(0.05),
    endpoint: z.url(),
    model: z.string().min(1),
    include_ground_truth: z.boolean().default(true),
    prompt: z.enum(['v1', 'v2']).default('v2'),
    max_tokens: positive.default(8192),
    temperature: z.number().min(0).default(0),
    response_format: z.enum(['json_schema', 'json_object', 'none']).default('json_schema'),
    max_steps_per_call: positive.optional(),
    context_tokens: positive.optional(),
    /** Asked what `model` refuses. */
    second_model: z.string().min(1).optional(),
    ...paid,
  }),
]);
export type JudgeConfig = z.infer<typeof JudgeConfig>;
export type PaidConfig = Extract<JudgeConfig, { kind: 'llm' | 'prm' }>;

export function isPaid(judge: JudgeConfig): judge is PaidConfig {
  return judge.kind === 'llm' || judge.kind === 'prm';
}

/** Null where no price is set. A reward model's reply is its prompt's tokens, so its price may be the input's alone. */
export function pricesOf(judge: PaidConfig): TokenPrices | null {
  const { input_price: input, cached_input_price: cached } = judge;
  const output = judge.output_price ?? (judge.kind === 'prm' ? 0 : undefined);
  if (input === undefined || output === undefined) return null;
  return {
    ...{ inputUsdPerMillion: input, outputUsdPerMillion: output },
    ...(cached === undefined ? {} : { cachedInputUsdPerMillion: cached }),
  };
}

export function judgeName(judge: JudgeConfig): string {
  return judge.name ?? judge.kind;
}
