import type { Rollout } from '../data/records.ts';
import { agreementReport } from '../judge/agreement-report.ts';
import { formatAgreement } from '../judge/format-agreement.ts';
import type { StepLabel } from '../judge/judge.ts';
import { consensusView } from '../judge/verdict-view.ts';
import { type LabelReport, labelReport } from '../label/label-report.ts';
import type { Method } from './config.ts';
import type { SeedOutcome } from './pipeline.ts';
import type { Progress } from './progress.ts';
import type { StageContext } from './stages/context.ts';
import { allVerdicts, judgesOf } from './stages/label.ts';
import { compareVerdicts, type VerdictComparison } from './verdict-comparison.ts';

const percent = (share: number | null) => (share === null ? 'n/a' : `${(100 * share).toFixed(1)} %`);
const counted = (counts: Record<StepLabel, number>) =>
  `${counts.right} right, ${counts.wrong} wrong, ${counts.abstain} abstain`;

/** Counts at each stage of one seed, and agreement with the file's own labels where it has some. */
export async function reportPrepared(outcome: SeedOutcome, context: StageContext): Promise<void> {
  const { config, progress } = context;
  const { prepared, seed } = outcome;
  const { rollouts } = await prepared.verified.value();
  const steps = await prepared.steps.value();
  if (config.seeds.length > 1) progress.line(`\nseed ${seed}`);
  const base = labelReport({ rollouts, steps, verdicts: [], consensus: new Map() });
  reportResponses(base, rollouts, progress);
  if (steps.length > 0) progress.line(`segment   ${base.steps} steps`);
  for (const { name, judge, verdicts } of prepared.judged) {
    const own = labelReport({ rollouts, steps, verdicts: await verdicts.value(), consensus: new Map() });
    const labels = own.verdicts[judge.id] ?? { right: 0, wrong: 0, abstain: 0 };
    progress.line(`judge     ${name} (${judge.id}): ${counted(labels)}`);
  }
  const judges = judgesOf(config, {}, prepared);
  if (judges.length === 0) return;
  const verdicts = await allVerdicts(judges);
  const ids = judges.map(({ judge }) => judge.id);
  for (const propagation of rulesOf(config.methods)) {
    const report = agreementReport({ verdicts, steps, propagation, judges: ids });
    const first = seed === config.seeds[0] && propagation === rulesOf(config.methods)[0];
    // In full once; the other seeds by their first lines.
    const lines = formatAgreement(report).trimEnd().split('\n');
    for (const line of first ? lines : lines.slice(0, judges.length + 3)) progress.line(`          ${line}`);
    const labels = labelReport({
      rollouts,
      steps,
      verdicts,
      consensus: consensusView(verdicts, { propagation, judges: ids }),
    });
    progress.line(
      `label     ${labels.relievedTokens} of ${labels.wrongTokens} tokens in wrong responses of mixed groups relieved ` +
        `(${percent(labels.relievedShare)}; unanimity, propagation: ${propagation})`,
    );
  }
}

function reportResponses(
  { responses, groups }: LabelReport,
  rollouts: readonly Rollout[],
  progress: Progress,
): void {
  progress.line(
    `verify    ${responses.total} responses: ${responses.right} right, ${responses.wrong} wrong, ${responses.unknown} unknown`,
  );
  for (const comparison of compareVerdicts(rollouts)) reportComparison(comparison, progress);
  progress.line(
    `groups    ${groups.mixed} mixed, ${groups.allRight} all right, ${groups.allWrong} all wrong, ${groups.unknown} without a verdict`,
  );
}

/** The propagation rules that matter to some method, in order of use; the paper's where none relieves anything. */
function rulesOf(methods: readonly Method[]): Method['propagation'][] {
  const used = methods.filter((method) => method.beta !== 1).map(({ propagation }) => propagation);
  return used.length === 0 ? ['propagate'] : [...new Set(used)];
}

function reportComparison(
  { column, agreed, compared, differing }: VerdictComparison,
  progress: Progress,
): void {
  progress.line(`          ${column} of the file: agrees on ${agreed} of ${compared}`);
  for (const { kind, rollouts } of differing) {
    progress.line(`            ${kind} (${rollouts.length}): ${rollouts.map(idOf).join(', ')}`);
  }
}

/** A group's own name and the place in it say more than a hash; the hash's start tells apart what they do not. */
function idOf({ group_id, group_index, rollout_id }: Rollout): string {
  return `${group_id}#${group_index} (${rollout_id.slice(0, 8)})`;
}
