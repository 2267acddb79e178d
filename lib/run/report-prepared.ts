import type { Rollout } from '../data/records.ts';
import { agreement } from '../judge/agreement.ts';
import type { StepLabel } from '../judge/judge.ts';
import { consensusView, labelsByJudge } from '../judge/verdict-view.ts';
import { labelReport } from '../label/label-report.ts';
import type { Method, RunConfig } from './config.ts';
import type { Prepared } from './prepare.ts';
import type { Progress } from './progress.ts';
import { compareVerdicts, type VerdictComparison } from './verdict-comparison.ts';

const percent = (share: number | null) => (share === null ? 'n/a' : `${(100 * share).toFixed(1)} %`);
const counted = (counts: Record<StepLabel, number>) =>
  `${counts.right} right, ${counts.wrong} wrong, ${counts.abstain} abstain`;

/** Counts at each stage, and agreement with the file's own labels where it has some. */
export function reportPrepared(prepared: Prepared, config: RunConfig, progress: Progress): void {
  const { rollouts, steps, verdicts, judges } = prepared;
  const rules = rulesOf(config);
  const reports = rules.map((propagation) =>
    labelReport({ rollouts, steps, verdicts, consensus: consensusView(verdicts, { propagation }) }),
  );
  const report = reports[0]!;
  const { responses, groups } = report;
  progress.line(
    `verify    ${responses.total} responses: ${responses.right} right, ${responses.wrong} wrong, ${responses.unknown} unknown`,
  );
  for (const comparison of compareVerdicts(rollouts)) reportComparison(comparison, progress);
  progress.line(
    `groups    ${groups.mixed} mixed, ${groups.allRight} all right, ${groups.allWrong} all wrong, ${groups.unknown} without a verdict`,
  );
  progress.line(`segment   ${report.steps} steps`);
  for (const judge of judges) {
    progress.line(
      `judge     ${judge.id}: ${counted(report.verdicts[judge.id] ?? { right: 0, wrong: 0, abstain: 0 })}`,
    );
  }
  reportAgreement(prepared, progress);
  reports.forEach(({ consensus, relievedTokens, wrongTokens, relievedShare }, i) => {
    progress.line(`consensus ${counted(consensus)} (unanimity, propagation: ${rules[i]})`);
    progress.line(
      `label     ${relievedTokens} of ${wrongTokens} tokens in wrong responses of mixed groups relieved ` +
        `(${percent(relievedShare)})`,
    );
  });
}

/** The propagation rules that matter to some method, in order of use. */
function rulesOf(config: RunConfig): Method['propagation'][] {
  const relieving = config.methods.filter((method) => method.beta !== 1);
  return [
    ...new Set((relieving.length > 0 ? relieving : config.methods).map(({ propagation }) => propagation)),
  ];
}

/** Between judges, on the intrinsic verdicts. */
function reportAgreement({ verdicts }: Prepared, progress: Progress): void {
  const byJudge = labelsByJudge(verdicts, 'local');
  const flat = [...byJudge].map(([id, labels]) => ({ id, labels: [...labels.values()].flat() }));
  for (const { first, second, steps: table } of agreement(flat)) {
    const kappa = table.kappa === null ? 'n/a' : table.kappa.toFixed(2);
    progress.line(
      `agreement ${first} and ${second}: ${percent(table.agreement)} of ${table.total} steps, kappa ${kappa} ` +
        `(${table.excluded} left out: one abstained)`,
    );
  }
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
