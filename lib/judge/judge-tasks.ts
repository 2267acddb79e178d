import type { Prompt, Rollout, Step } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import type { Judge, JudgeRequest } from './judge.ts';
import { stepsOfRollouts } from './steps-of-rollouts.ts';

/** Which positions of a rollout's steps a judge is to judge; undefined: all. */
export type AskedSteps = (rolloutId: string, judgeId: string) => readonly number[] | undefined;

/** One judge and one response. */
export interface JudgeTask {
  judge: Judge;
  steps: readonly Step[];
  request: JudgeRequest;
}

/** Every response with every judge, responses first, in the order given. All input is checked before anyone is asked. */
export function judgeTasks(options: {
  rollouts: readonly Rollout[];
  prompts: readonly Prompt[];
  steps: readonly Step[];
  judges: readonly Judge[];
  asked?: AskedSteps | undefined;
}): JudgeTask[] {
  const { rollouts, judges, asked } = options;
  const problems = new Map(options.prompts.map((prompt) => [prompt.prompt_id, prompt]));
  const steps = stepsOfRollouts(rollouts, options.steps);
  if (new Set(judges.map(({ id }) => id)).size !== judges.length)
    throw problem('judges', 'two judges have the same id');
  return rollouts.flatMap((rollout) => {
    const prompt = problems.get(rollout.prompt_id);
    if (prompt === undefined)
      throw problem('prompts', `rollout ${rollout.rollout_id}: prompt ${rollout.prompt_id} is absent`);
    const own = steps.get(rollout.rollout_id)!;
    const request = requestOf(rollout, prompt, own);
    return judges.map((judge) => {
      const positions = checkAsked(asked?.(rollout.rollout_id, judge.id), own.length, rollout.rollout_id);
      return {
        judge,
        steps: own,
        request: positions === undefined ? request : { ...request, asked: positions },
      };
    });
  });
}

function requestOf(rollout: Rollout, prompt: Prompt, steps: readonly Step[]): JudgeRequest {
  return {
    rolloutId: rollout.rollout_id,
    problem: problemText(prompt),
    groundTruth: prompt.reward_model.ground_truth,
    steps: steps.map((step) => rollout.response_text.slice(step.char_start, step.char_end)),
    promptIds: rollout.prompt_ids ?? null,
    responseIds: rollout.response_ids ?? null,
    stepEnds: stepEnds(steps),
  };
}

/** In ascending order, each once; undefined where all are asked for, so that both ways of saying it are one key. */
function checkAsked(
  asked: readonly number[] | undefined,
  count: number,
  rolloutId: string,
): readonly number[] | undefined {
  if (asked === undefined) return undefined;
  const bad = asked.find((position) => !(Number.isInteger(position) && position >= 0 && position < count));
  if (bad !== undefined) throw problem('asked', `rollout ${rolloutId}: there is no step ${bad} of ${count}`);
  const positions = [...new Set(asked)].sort((a, b) => a - b);
  return positions.length === count ? undefined : positions;
}

function stepEnds(steps: readonly Step[]): number[] | null {
  const ends = steps.map((step) => step.token_end);
  return ends.includes(null) ? null : (ends as number[]);
}

/** The prompt as one text; roles are shown only where there is more than one message. */
function problemText(prompt: Prompt): string {
  const [only, ...others] = prompt.messages;
  if (only !== undefined && others.length === 0) return only.content;
  return prompt.messages.map(({ role, content }) => `${role}: ${content}`).join('\n\n');
}

function problem(argument: string, message: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `judgeRollouts: ${argument}: ${message}`, { argument });
}
