import type { Prompt, Rollout, Step, StepVerdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { forEachBounded } from './bounded-pool.ts';
import type { Judge, JudgeResponse, JudgeUsage } from './judge.ts';
import { stepsOfRollouts } from './steps-of-rollouts.ts';

export interface JudgeRolloutsOptions {
  /** Only these are judged; callers choose (wrong responses of mixed groups, or all). */
  rollouts: readonly Rollout[];
  prompts: readonly Prompt[];
  /** One segmentation of every rollout, in any order; those of other rollouts are left alone. */
  steps: readonly Step[];
  judges: readonly Judge[];
  /** Judge calls under way at once. Default 8. */
  concurrency?: number;
  signal?: AbortSignal;
  onProgress?: (progress: { done: number; total: number }) => void;
}

export interface JudgedRollouts {
  /** Intrinsic verdicts, ordered by rollout, judge and step as given, whatever finished first. */
  verdicts: StepVerdict[];
  /** By judge id. `seconds` adds up time of calls that may have run side by side. */
  usage: Record<string, JudgeUsage>;
}

const LABEL_NUMBER = { right: 1, wrong: 0, abstain: -1 } as const;

/** Asks every judge about every rollout. The first judge that throws stops the rest. */
export async function judgeRollouts(options: JudgeRolloutsOptions): Promise<JudgedRollouts> {
  const { rollouts, judges, concurrency = 8, signal, onProgress } = options;
  const problems = new Map(options.prompts.map((prompt) => [prompt.prompt_id, prompt]));
  const steps = stepsOfRollouts(rollouts, options.steps);
  const usage: Record<string, JudgeUsage> = {};
  for (const { id } of judges) usage[id] = { promptTokens: 0, completionTokens: 0, seconds: 0 };
  if (Object.keys(usage).length !== judges.length) throw problem('judges', 'two judges have the same id');
  const tasks = rollouts.flatMap((rollout) => judges.map((judge) => ({ rollout, judge })));
  const results: StepVerdict[][] = new Array(tasks.length);
  let done = 0;
  await forEachBounded(
    tasks,
    { concurrency, ...(signal === undefined ? {} : { signal }) },
    async (task, at, stop) => {
      const { rollout, judge } = task;
      const prompt = problems.get(rollout.prompt_id);
      if (prompt === undefined)
        throw problem('prompts', `rollout ${rollout.rollout_id}: prompt ${rollout.prompt_id} is absent`);
      const own = steps.get(rollout.rollout_id)!;
      const response = await judge.judge(
        {
          rolloutId: rollout.rollout_id,
          problem: problemText(prompt),
          groundTruth: prompt.reward_model.ground_truth,
          steps: own.map((step) => rollout.response_text.slice(step.char_start, step.char_end)),
        },
        { signal: stop },
      );
      results[at] = verdictsOf(response, own, judge.id);
      addUsage(usage[judge.id]!, response.usage);
      onProgress?.({ done: ++done, total: tasks.length });
    },
  );
  return { verdicts: results.flat(), usage };
}

function verdictsOf(response: JudgeResponse, steps: readonly Step[], judgeId: string): StepVerdict[] {
  if (response.judgements.length !== steps.length) {
    const counts = `${response.judgements.length} judgements for ${steps.length} steps`;
    throw new LapidaryError(
      'ERR_LAPIDARY_JUDGE',
      `judge ${judgeId}: rollout ${steps[0]?.rollout_id}: gave ${counts}`,
    );
  }
  return response.judgements.map(({ label, recovers, score, reason }, i) => {
    const { rollout_id, segmenter_id, k } = steps[i]!;
    return {
      rollout_id,
      segmenter_id,
      k,
      judge_id: judgeId,
      label: LABEL_NUMBER[label],
      recovers,
      score,
      reason,
    };
  });
}

/** The prompt as one text; roles are shown only where there is more than one message. */
function problemText(prompt: Prompt): string {
  const [only, ...others] = prompt.messages;
  if (only !== undefined && others.length === 0) return only.content;
  return prompt.messages.map(({ role, content }) => `${role}: ${content}`).join('\n\n');
}

function addUsage(total: JudgeUsage, own: JudgeUsage): void {
  total.promptTokens += own.promptTokens;
  total.completionTokens += own.completionTokens;
  total.seconds += own.seconds;
}

function problem(argument: string, message: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `judgeRollouts: ${argument}: ${message}`, { argument });
}
