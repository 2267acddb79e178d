import { type Rollout, type Step, StepVerdict } from '../../data/records.ts';
import { planCascade } from '../../judge/cascade.ts';
import type { Judge, StepLabel } from '../../judge/judge.ts';
import type { JudgeCounts } from '../../judge/judge-counts.ts';
import { judgeRollouts } from '../../judge/judge-rollouts.ts';
import type { AskedSteps } from '../../judge/judge-tasks.ts';
import { labelsByJudge } from '../../judge/verdict-view.ts';
import type { Policy } from '../../policy/policy.ts';
import { isPaid, type JudgeConfig, judgeName } from '../judge-config.ts';
import { judgeEstimate } from '../judge-estimate.ts';
import { makeJudge } from '../make-judge.ts';
import { seedOf } from '../seeds.ts';
import type { Counts, Handle } from '../stage.ts';
import { readTable, type StageContext, writeTable } from './context.ts';
import { type Verified, wrongInMixedGroups } from './verify.ts';

export interface Judged {
  name: string;
  judge: Judge;
  verdicts: Handle<StepVerdict[]>;
}

/** The verdicts of one judge; each judge is a stage, so that changing one leaves the others' answers as they are. */
export async function judgeStage(
  context: StageContext,
  judgeConfig: JudgeConfig,
  where: string,
  inputs: {
    verified: Handle<Verified>;
    steps: Handle<Step[]>;
    policy: Handle<Policy> | null;
    /** The judges before it. */
    judged: readonly Judged[];
  },
): Promise<Judged> {
  const { config, runner, progress, signal } = context;
  const { verified, steps, policy } = inputs;
  const make = () =>
    makeJudge(judgeConfig, {
      ...{ policy, tokenizer: context.tokenizer, maxContext: config.policy?.max_context ?? 0 },
      ...{ seed: seedOf(config.seed, 'continuations'), judging: context.judging },
    });
  const judge = make();
  const name = judgeName(judgeConfig);
  const title = `judge ${name}${where}`;
  const screen = screenOf(judgeConfig, inputs.judged);
  const verdicts = await runner.stage<StepVerdict[]>({
    kind: 'judge',
    title,
    version: 1,
    settings: {
      judge: judge.id,
      responses: config.judge_responses,
      ...(screen === null ? {} : { audit: screen.share }),
    },
    inputs: [
      ...[verified, steps],
      ...(judgeConfig.kind === 'monte_carlo' ? [policy!] : []),
      ...(screen === null ? [] : [screen.verdicts]),
    ],
    async compute(directory) {
      const { prompts, rollouts } = await verified.value();
      const judged = judgedRollouts(context, rollouts);
      const paid = isPaid(judgeConfig) ? { journal: await context.judging.journal() } : {};
      // Made anew: what earlier runs spent is known once the journal is open.
      const asked = make();
      const asking = screen === null ? {} : { asked: await askedSteps(screen, config.seed) };
      const { verdicts, counts, stopped } = await judgeRollouts({
        ...asking,
        ...paid,
        ...{ rollouts: judged, prompts: [...prompts.values()], steps: await steps.value(), judges: [asked] },
        concurrency: config.judge_concurrency,
        onProgress: ({ done, total }) => progress.advance(title, done, total, 'responses'),
        ...(signal ? { signal } : {}),
      });
      const files = [await writeTable(directory, 'verdicts', verdicts)];
      return {
        files,
        // What a step was not judged for, and could be when asked again.
        partial: stopped !== null || counts[judge.id]!.failed > 0,
        counts: {
          judge: judge.id,
          responses: judged.length,
          ...labelCounts(verdicts),
          ...callCounts(counts[judge.id]!),
        },
      };
    },
    load: (directory) => readTable(directory, 'verdicts', StepVerdict),
    estimate: async () =>
      judgeEstimate(
        judgeConfig,
        judge,
        judgedRollouts(context, (await verified.value()).rollouts),
        await verified.value(),
        await steps.value(),
      ),
  });
  return { name, judge, verdicts };
}

/** The judge whose verdicts decide what this one is asked. */
interface Screen extends Judged {
  share: number;
}

function screenOf(config: JudgeConfig, judged: readonly Judged[]): Screen | null {
  if (config.kind !== 'llm' || config.after === undefined) return null;
  return { ...judged.find(({ name }) => name === config.after)!, share: config.audit_share };
}

/** With propagation everything up to the last open step is asked, which covers the local rule's steps, too. */
async function askedSteps({ judge, verdicts, share }: Screen, seed: number): Promise<AskedSteps> {
  const screen = labelsByJudge(await verdicts.value()).get(judge.id) ?? new Map<string, StepLabel[]>();
  const { asked } = planCascade({ screen, propagation: 'propagate', auditShare: share, seed });
  return (rolloutId) => asked.get(rolloutId);
}

function judgedRollouts({ config }: StageContext, rollouts: readonly Rollout[]): readonly Rollout[] {
  return config.judge_responses === 'all' ? rollouts : wrongInMixedGroups(rollouts);
}

/** Calls, money and failures; not part of the verdicts, so that a run that was cut off ends with the same hash. */
function callCounts({ calls, journalHits, failed, abstained, usage, journaledUsage }: JudgeCounts): Counts {
  const cost = (usage.costUsd ?? 0) + (journaledUsage.costUsd ?? 0);
  return {
    ...{ calls, journal_hits: journalHits, failed_responses: failed, abstained },
    prompt_tokens: usage.promptTokens + journaledUsage.promptTokens,
    completion_tokens: usage.completionTokens + journaledUsage.completionTokens,
    cost_usd: usage.costUsd === undefined && journaledUsage.costUsd === undefined ? null : cost,
  };
}

function labelCounts(verdicts: readonly StepVerdict[]) {
  const counts = { steps: verdicts.length, right: 0, wrong: 0, abstain: 0 };
  for (const { label } of verdicts) counts[label === 1 ? 'right' : label === 0 ? 'wrong' : 'abstain'] += 1;
  return counts;
}
