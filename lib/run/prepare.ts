import type { Prompt, Rollout, Step, StepVerdict } from '../data/records.ts';
import type { Judge } from '../judge/judge.ts';
import { judgeRollouts } from '../judge/judge-rollouts.ts';
import { RuleSegmenter } from '../segment/rule-segmenter.ts';
import { segmentRollouts } from '../segment/segment-rollouts.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type VerifyCounts, verifyRollouts } from '../verify/verify-rollouts.ts';
import type { RunConfig } from './config.ts';
import { makeJudge } from './make-judge.ts';
import type { Progress } from './progress.ts';

/** Rollouts with all that the training rows are made of. */
export interface Prepared {
  prompts: Map<string, Prompt>;
  rollouts: Rollout[];
  steps: Step[];
  verdicts: StepVerdict[];
  judges: Judge[];
  verifyCounts: VerifyCounts;
}

export interface PrepareInput {
  config: RunConfig;
  prompts: readonly Prompt[];
  rollouts: readonly Rollout[];
  tokenizer: Tokenizer;
  progress: Progress;
  signal?: AbortSignal;
}

/** verify, segment, judge: in this order, each on the records of the one before. */
export async function prepare(input: PrepareInput): Promise<Prepared> {
  const { config, tokenizer, progress, signal } = input;
  const prompts = new Map(input.prompts.map((prompt) => [prompt.prompt_id, prompt]));
  progress.status('verify: reading final answers');
  const { rollouts, counts } = verifyRollouts(input.rollouts, prompts);
  const { unit, min_chars: minChars, max_chars: maxChars } = config.segment;
  progress.status('segment: cutting responses into steps');
  const steps = segmentRollouts(rollouts, new RuleSegmenter({ unit, minChars, maxChars }), tokenizer);
  const judges = config.judges.map(makeJudge);
  const judged = config.judge_responses === 'all' ? rollouts : wrongInMixedGroups(rollouts);
  const { verdicts } = await judgeRollouts({
    ...{ rollouts: judged, prompts: input.prompts, steps, judges, concurrency: config.judge_concurrency },
    onProgress: ({ done, total }) => progress.status(`judge: ${done} of ${total} responses`),
    ...(signal ? { signal } : {}),
  });
  return { prompts, rollouts, steps, verdicts, judges, verifyCounts: counts };
}

function wrongInMixedGroups(rollouts: readonly Rollout[]): Rollout[] {
  const withRight = new Set(
    rollouts.filter(({ verdict }) => verdict === 'right').map(({ group_id }) => group_id),
  );
  return rollouts.filter(({ verdict, group_id }) => verdict === 'wrong' && withRight.has(group_id));
}
