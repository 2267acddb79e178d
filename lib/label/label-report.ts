import type { Rollout, Step, StepVerdict, Verdict } from '../data/records.ts';
import type { StepLabel } from '../judge/judge.ts';
import { responseLength, rightSpans, stepsByRollout } from './token-weights.ts';

type LabelCounts = Record<StepLabel, number>;

/** What labelling found, in counts. */
export interface LabelReport {
  responses: Record<Verdict, number> & { total: number };
  /** `unknown`: groups in which no response has a verdict. */
  groups: { mixed: number; allRight: number; allWrong: number; unknown: number };
  steps: number;
  /** Intrinsic verdicts by judge id. */
  verdicts: Record<string, LabelCounts>;
  consensus: LabelCounts;
  /** Wrong responses of mixed groups, the only ones whose weights matter. */
  wrongResponsesTrained: number;
  /** Of those, how many have no consensus and so get no relief. */
  wrongResponsesUnjudged: number;
  /** Their tokens, and those among them in steps labelled right. */
  wrongTokens: number;
  relievedTokens: number;
  /** relievedTokens / wrongTokens, the "mined" share (22% in the paper); null where there are none. */
  relievedShare: number | null;
}

export interface LabelReportOptions {
  rollouts: readonly Rollout[];
  steps: readonly Step[];
  verdicts: readonly StepVerdict[];
  consensus: ReadonlyMap<string, readonly StepLabel[]>;
}

/** Counts what labelRollouts would train on and relieve; independent of beta and of the advantage. */
export function labelReport(options: LabelReportOptions): LabelReport {
  const { rollouts, steps, consensus } = options;
  const kinds = groupKinds(rollouts);
  const groups = { mixed: 0, allRight: 0, allWrong: 0, unknown: 0 };
  for (const kind of kinds.values()) groups[kind]++;
  const trained = rollouts.filter(
    (rollout) => rollout.verdict === 'wrong' && kinds.get(rollout.group_id) === 'mixed',
  );
  const { wrongTokens, relievedTokens } = countTokens(trained, options);
  return {
    responses: countResponses(rollouts),
    groups,
    steps: steps.length,
    verdicts: countVerdicts(options.verdicts),
    consensus: countLabels(consensus),
    wrongResponsesTrained: trained.length,
    wrongResponsesUnjudged: trained.filter(({ rollout_id }) => !consensus.has(rollout_id)).length,
    wrongTokens,
    relievedTokens,
    relievedShare: wrongTokens === 0 ? null : relievedTokens / wrongTokens,
  };
}

type GroupKind = 'mixed' | 'allRight' | 'allWrong' | 'unknown';

function groupKinds(rollouts: readonly Rollout[]): Map<string, GroupKind> {
  const kinds = new Map<string, GroupKind>();
  for (const { group_id, verdict } of rollouts) {
    const before = kinds.get(group_id) ?? 'unknown';
    const own = verdict === 'right' ? 'allRight' : verdict === 'wrong' ? 'allWrong' : 'unknown';
    if (before === 'unknown') kinds.set(group_id, own);
    else if (own !== 'unknown' && own !== before) kinds.set(group_id, 'mixed');
  }
  return kinds;
}

function countTokens(
  trained: readonly Rollout[],
  { steps, consensus }: LabelReportOptions,
): { wrongTokens: number; relievedTokens: number } {
  const byRollout = stepsByRollout(steps);
  let [wrongTokens, relievedTokens] = [0, 0];
  for (const rollout of trained) {
    wrongTokens += responseLength(rollout);
    const labels = consensus.get(rollout.rollout_id);
    if (labels === undefined) continue;
    const spans = rightSpans(rollout, byRollout.get(rollout.rollout_id) ?? [], labels);
    for (const { start, end } of spans) relievedTokens += end - start;
  }
  return { wrongTokens, relievedTokens };
}

function countResponses(rollouts: readonly Rollout[]): LabelReport['responses'] {
  const counts = { right: 0, wrong: 0, unknown: 0, total: rollouts.length };
  for (const { verdict } of rollouts) counts[verdict ?? 'unknown']++;
  return counts;
}

function countVerdicts(verdicts: readonly StepVerdict[]): Record<string, LabelCounts> {
  const byJudge: Record<string, LabelCounts> = {};
  for (const { judge_id, label } of verdicts) {
    byJudge[judge_id] ??= { right: 0, wrong: 0, abstain: 0 };
    byJudge[judge_id][label === 1 ? 'right' : label === 0 ? 'wrong' : 'abstain']++;
  }
  return byJudge;
}

function countLabels(consensus: ReadonlyMap<string, readonly StepLabel[]>): LabelCounts {
  const counts: LabelCounts = { right: 0, wrong: 0, abstain: 0 };
  for (const labels of consensus.values()) for (const label of labels) counts[label]++;
  return counts;
}
