import type { Step, StepVerdict } from '../data/records.ts';
import type { ConsensusRule } from './consensus.ts';
import type { StepLabel } from './judge.ts';
import { comparePair, type JudgedResponse, type PairReport } from './pair-report.ts';
import type { PropagationRule } from './propagation.ts';
import { consensusView, labelsByJudge } from './verdict-view.ts';

export interface AgreementReportOptions {
  verdicts: readonly StepVerdict[];
  /** For the counts in tokens; without token spans they are null. */
  steps?: Iterable<Step>;
  propagation?: PropagationRule;
  rule?: ConsensusRule;
  /** Default: all that gave a verdict. */
  judges?: readonly string[];
  /** Only these, such as the wrong responses. Default: all. */
  rollouts?: ReadonlySet<string>;
  /** Bootstrap replicates. Default 1000. */
  replicates?: number;
  seed?: number;
}

/** Shares are of all steps of the responses in the report; tokens are null without token spans. */
export interface LabelShares {
  right: number;
  wrong: number;
  abstain: number;
  /** The part of `abstain` that was not asked for. */
  notAsked: number;
}

export interface JudgeShares {
  id: string;
  steps: LabelShares;
  tokens: LabelShares | null;
}

export interface AgreementReport {
  propagation: PropagationRule;
  rule: ConsensusRule;
  responses: number;
  steps: number;
  tokens: number | null;
  judges: JudgeShares[];
  pairs: PairReport[];
  /** What the rule makes of the verdicts; `right` is the mined share. */
  consensus: { steps: LabelShares; tokens: LabelShares | null };
}

/** Everything to know of judges' agreement before their labels are used. Responses that not all judges saw are refused. */
export function agreementReport(options: AgreementReportOptions): AgreementReport {
  const { propagation = 'propagate', rule = 'unanimity', replicates = 1000, seed = 0, rollouts } = options;
  const verdicts = options.verdicts.filter(({ rollout_id }) => rollouts?.has(rollout_id) ?? true);
  const view = consensusView(verdicts, {
    ...{ propagation, rule },
    ...(options.judges === undefined ? {} : { judges: options.judges }),
  });
  const byJudge = labelsByJudge(verdicts, propagation);
  const judges = options.judges ?? [...byJudge.keys()];
  const tokens = tokenCounts(options.steps ?? [], view);
  const partly = partlyAsked(verdicts);
  const responses = [...view.keys()].map(
    (id): JudgedResponse => ({
      labels: new Map(judges.map((judge) => [judge, byJudge.get(judge)!.get(id)!])),
      tokens: tokens?.get(id) ?? null,
      partlyAsked: partly.get(id) ?? new Set(),
    }),
  );
  const notAsked = notAskedByJudge(verdicts);
  const shares = (labels: ReadonlyMap<string, readonly StepLabel[]>, judge: string | null) => {
    const skipped = (id: string, k: number) =>
      judge !== null && (notAsked.get(judge)?.get(id)?.has(k) ?? false);
    return {
      steps: sharesOf(labels, skipped, null),
      tokens: tokens === null ? null : sharesOf(labels, skipped, tokens),
    };
  };
  return {
    ...{ propagation, rule, responses: view.size },
    steps: sum([...view.values()].map(({ length }) => length)),
    tokens: tokens === null ? null : sum([...tokens.values()].map(sum)),
    judges: judges.map((id) => ({ id, ...shares(pick(byJudge.get(id)!, view), id) })),
    pairs: judges.flatMap((first, i) =>
      judges.slice(i + 1).map((second) => comparePair(first, second, responses, { replicates, seed })),
    ),
    consensus: shares(view, null),
  };
}

/** Null where a step of a judged response has no token span. */
function tokenCounts(
  steps: Iterable<Step>,
  view: ReadonlyMap<string, readonly StepLabel[]>,
): Map<string, number[]> | null {
  const counts = new Map<string, number[]>();
  for (const { rollout_id, k, token_start, token_end } of steps) {
    if (!view.has(rollout_id)) continue;
    if (token_start === null || token_end === null) return null;
    const own = counts.get(rollout_id) ?? [];
    own[k] = token_end - token_start;
    counts.set(rollout_id, own);
  }
  for (const [id, { length }] of view) {
    const own = counts.get(id);
    if (own === undefined || own.length !== length || own.includes(undefined as never)) return null;
  }
  return counts;
}

function notAskedByJudge(verdicts: readonly StepVerdict[]): Map<string, Map<string, Set<number>>> {
  const found = new Map<string, Map<string, Set<number>>>();
  for (const { judge_id, rollout_id, k, label, reason } of verdicts) {
    if (label !== -1 || !/^not-asked\b/.test(reason ?? '')) continue;
    const own = found.get(judge_id) ?? new Map<string, Set<number>>();
    const steps = own.get(rollout_id) ?? new Set<number>();
    found.set(judge_id, own.set(rollout_id, steps.add(k)));
  }
  return found;
}

function partlyAsked(verdicts: readonly StepVerdict[]): Map<string, Set<string>> {
  const partly = new Map<string, Set<string>>();
  for (const [judge, rollouts] of notAskedByJudge(verdicts)) {
    for (const id of rollouts.keys()) partly.set(id, (partly.get(id) ?? new Set<string>()).add(judge));
  }
  return partly;
}

function sharesOf(
  labels: ReadonlyMap<string, readonly StepLabel[]>,
  skipped: (id: string, k: number) => boolean,
  tokens: ReadonlyMap<string, readonly number[]> | null,
): LabelShares {
  const shares: LabelShares = { right: 0, wrong: 0, abstain: 0, notAsked: 0 };
  let total = 0;
  for (const [id, own] of labels) {
    for (const [k, label] of own.entries()) {
      const weight = tokens === null ? 1 : tokens.get(id)![k]!;
      shares[label] += weight;
      if (label === 'abstain' && skipped(id, k)) shares.notAsked += weight;
      total += weight;
    }
  }
  for (const key of ['right', 'wrong', 'abstain', 'notAsked'] as const) shares[key] /= total || 1;
  return shares;
}

function pick<T>(from: ReadonlyMap<string, T>, keys: ReadonlyMap<string, unknown>): Map<string, T> {
  return new Map([...keys.keys()].map((key) => [key, from.get(key)!]));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
