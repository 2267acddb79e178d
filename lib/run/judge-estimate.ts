import type { Rollout, Step } from '../data/records.ts';
import { costOf } from '../judge/cost-ledger.ts';
import type { Judge } from '../judge/judge.ts';
import { PrmJudge } from '../judge/prm-judge.ts';
import { isPaid, type JudgeConfig, type PaidConfig, pricesOf } from './judge-config.ts';
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
  judge: Judge,
  rollouts: readonly Rollout[],
  { prompts }: Verified,
  steps: readonly Step[],
): Estimate | null {
  if (!isPaid(config)) return null;
  const stepsOf = new Map<string, Step[]>(rollouts.map(({ rollout_id }) => [rollout_id, []]));
  for (const step of steps) stepsOf.get(step.rollout_id)?.push(step);
  const estimate = { calls: 0, promptTokens: 0, completionTokens: 0 };
  for (const { rollout_id, prompt_id, response_text } of rollouts) {
    const own = stepsOf.get(rollout_id)!;
    if (own.length === 0) continue;
    const texts = own.map(({ char_start, char_end }) => response_text.slice(char_start, char_end));
    const problem = prompts.get(prompt_id)!.messages.map(({ content }) => content);
    const more =
      judge instanceof PrmJudge
        ? judge.estimate(problem.join('\n\n'), texts)
        : llmEstimate(config, problem.join('').length + response_text.length, own.length);
    estimate.calls += more.calls;
    estimate.promptTokens += more.promptTokens;
    estimate.completionTokens += more.completionTokens;
  }
  const prices = pricesOf(config);
  return { ...estimate, usd: prices === null ? null : costOf(estimate, prices) };
}

function llmEstimate(config: PaidConfig, characters: number, steps: number) {
  const { max_steps_per_call: most = steps, max_tokens } = config as Extract<PaidConfig, { kind: 'llm' }>;
  const calls = Math.ceil(steps / most);
  const text = Math.ceil(characters / CHARACTERS_PER_TOKEN) + TAG_TOKENS * steps;
  return {
    calls,
    promptTokens: calls * (PROMPT_TOKENS + text),
    completionTokens: Math.min(VERDICT_TOKENS * steps, calls * max_tokens),
  };
}
