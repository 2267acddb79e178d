import type { EvalRow, Prompt } from '../data/records.ts';
import { packTokens } from '../policy/pack.ts';
import type { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { verifyAnswer } from '../verify/verify-answer.ts';

export interface EvaluateOptions {
  policy: Policy;
  tokenizer: Tokenizer;
  prompts: readonly Prompt[];
  /** Samples per prompt at `temperature`; greedy needs only one. */
  samplesPerPrompt: number;
  maxNewTokens: number;
  temperature?: number;
  seed: number;
  runId: string;
  signal?: AbortSignal;
}

export interface Evaluation {
  rows: EvalRow[];
  /** The share of right samples of each prompt; their mean is pass@1 (avg@n). */
  perPrompt: number[];
}

/** Samples responses and verifies their answers. An answer that cannot be read counts as not passed. */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const {
    policy,
    tokenizer,
    prompts,
    samplesPerPrompt,
    maxNewTokens,
    temperature = 1,
    seed,
    runId,
  } = options;
  const packed = packTokens(prompts.map((prompt) => tokenizer.encode(prompt.messages.at(-1)!.content)));
  const samples = await policy.sample(packed, {
    ...{ samplesPerPrompt, maxNewTokens, temperature, seed, eosId: tokenizer.eosId },
    ...(options.signal ? { signal: options.signal } : {}),
  });
  const passed = new Array<number>(prompts.length).fill(0);
  for (const sample of samples) {
    const truth = prompts[sample.prompt]!.reward_model.ground_truth;
    if (verifyAnswer(tokenizer.decode(sample.ids), truth).verdict === 'right') passed[sample.prompt]! += 1;
  }
  const rows = prompts.map((prompt, i) => ({
    ...{ run_id: runId, prompt_id: prompt.prompt_id, n: samplesPerPrompt, c: passed[i]! },
    greedy: temperature === 0,
  }));
  const perPrompt = passed.map((count) => count / samplesPerPrompt);
  return { rows, perPrompt };
}
