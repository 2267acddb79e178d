import type { Rollout, Step } from '../data/records.ts';
import type { JudgeConfig } from './judge-config.ts';
import type { Estimate } from './stage.ts';
import type { Verified } from './stages/verify.ts';

/** English and mathematics run at about four characters a token; a plan errs on the dear side. */
const CHARACTERS_PER_TOKEN = 3;
/** The instructions around a problem and its steps, and the tags of one step. */
const PROMPT_TOKENS = 1200;
const TAG_TOKENS = 12;
/** A verdict with its reason. */
const VERDICT_TOKENS = 60;

/** Calls and tokens of a judge before it is asked, as an upper bound: what the journal holds is not taken off. */
export function judgeEstimate(
  config: JudgeConfig,
  rollouts: readonly Rollout[],
  { prompts }: Verified,
  steps: readonly Step[],
): Estimate | null {
  if (config.kind !== 'llm') return null;
  const stepsOf = new Map<string, number>();
  for (const { rollout_id } of steps) stepsOf.set(rollout_id, (stepsOf.get(rollout_id) ?? 0) + 1);
  const estimate = { calls: 0, promptTokens: 0, completionTokens: 0 };
  for (const { rollout_id, prompt_id, response_text } of rollouts) {
    const count = stepsOf.get(rollout_id) ?? 0;
    if (count === 0) continue;
    const calls = Math.ceil(count / (config.max_steps_per_call ?? count));
    const problem = prompts.get(prompt_id)!.messages.reduce((sum, { content }) => sum + content.length, 0);
    const text = Math.ceil((problem + response_text.length) / CHARACTERS_PER_TOKEN) + TAG_TOKENS * count;
    estimate.calls += calls;
    estimate.promptTokens += calls * (PROMPT_TOKENS + text);
    estimate.completionTokens += Math.min(VERDICT_TOKENS * count, calls * config.max_tokens);
  }
  const { input_price: input, output_price: output } = config;
  const usd =
    input === undefined || output === undefined
      ? null
      : (estimate.promptTokens * input + estimate.completionTokens * output) / 1e6;
  return { ...estimate, usd };
}
