import type { StepVerdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { abstain } from './abstain-class.ts';
import type { JudgeRequest, JudgeResponse, StepJudgement } from './judge.ts';
import type { JudgeTask } from './judge-tasks.ts';
import type { LlmJudgement } from './parse-llm-verdicts.ts';

const LABEL_NUMBER = { right: 1, wrong: 0, abstain: -1 } as const;

/** A response's judgements, counted, and with those that were not asked for taken out. */
export function checkedJudgements(
  judgeId: string,
  request: JudgeRequest,
  response: Pick<JudgeResponse, 'judgements'>,
): StepJudgement[] {
  const { judgements } = response;
  if (judgements.length !== request.steps.length) {
    const counts = `${judgements.length} judgements for ${request.steps.length} steps`;
    throw new LapidaryError(
      'ERR_LAPIDARY_JUDGE',
      `judge ${judgeId}: rollout ${request.rolloutId}: gave ${counts}`,
    );
  }
  if (request.asked === undefined) return judgements;
  const asked = new Set(request.asked);
  return judgements.map((judgement, position) => (asked.has(position) ? judgement : abstain('not-asked')));
}

/** The rows of one judge and response; what a judge tells beyond a verdict goes into columns of its own. */
export function verdictRows({ judge, steps }: JudgeTask, judgements: readonly LlmJudgement[]): StepVerdict[] {
  return judgements.map((judgement, i) => {
    const { label, recovers, score, reason, errorType, faultySpan, dependsOn } = judgement;
    const { rollout_id, segmenter_id, k } = steps[i]!;
    return {
      ...{ rollout_id, segmenter_id, k, judge_id: judge.id, label: LABEL_NUMBER[label], recovers },
      ...(judge.scope === 'prefix' ? { scope: judge.scope } : {}),
      ...{ score, reason },
      ...(errorType == null ? {} : { error_type: errorType }),
      ...(faultySpan == null ? {} : { faulty_span: faultySpan }),
      ...(dependsOn === undefined || dependsOn.length === 0 ? {} : { depends_on: dependsOn }),
    };
  });
}
