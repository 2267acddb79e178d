import type { StepVerdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { type ConsensusRule, consensus } from './consensus.ts';
import { checkRule } from './consensus-rule.ts';
import { type DawidSkene, dawidSkene } from './dawid-skene.ts';
import type { StepLabel } from './judge.ts';
import { applyPropagation, type PropagationRule } from './propagation.ts';

export interface VerdictViewOptions {
  propagation?: PropagationRule;
  rule?: ConsensusRule;
  /** The judges whose agreement counts, by id. Default: all that gave a verdict. */
  judges?: readonly string[];
}

const LABELS = new Map<number, StepLabel>([
  [1, 'right'],
  [0, 'wrong'],
  [-1, 'abstain'],
]);

/** Verdicts in the order of their steps: judge id → rollout id → one per step 0, 1, … */
export function verdictsByJudge(verdicts: Iterable<StepVerdict>): Map<string, Map<string, StepVerdict[]>> {
  const rows = new Map<string, Map<string, StepVerdict[]>>();
  for (const verdict of verdicts) {
    const own = rows.get(verdict.judge_id) ?? new Map<string, StepVerdict[]>();
    const list = own.get(verdict.rollout_id) ?? [];
    list.push(verdict);
    rows.set(verdict.judge_id, own.set(verdict.rollout_id, list));
  }
  for (const own of rows.values()) {
    for (const [id, list] of own) own.set(id, inOrder(list));
  }
  return rows;
}

/** Labels per judge and rollout after propagation: judge id → rollout id → one label per step. */
export function labelsByJudge(
  verdicts: Iterable<StepVerdict>,
  propagation: PropagationRule = 'propagate',
): Map<string, Map<string, StepLabel[]>> {
  return mapLists(verdictsByJudge(verdicts), (list) => labelsOf(list, propagation));
}

/** The judges' consensus per rollout: propagation first, judge by judge, then the rule. */
export function consensusView(
  verdicts: Iterable<StepVerdict>,
  options: VerdictViewOptions = {},
): Map<string, StepLabel[]> {
  const { propagation = 'propagate', rule = 'unanimity' } = options;
  const rows = verdictsByJudge(verdicts);
  const judges = options.judges ?? [...rows.keys()];
  const rollouts = [...new Set(judges.flatMap((judge) => [...(rows.get(judge)?.keys() ?? [])]))];
  const ballots = rollouts.map((id) => ({ id, lists: judges.map((judge) => listOf(rows, judge, id)) }));
  if (typeof rule === 'object' && 'dawidSkene' in rule) {
    checkRule(rule, judges.length, judges);
    return posteriorView(
      ballots.map(({ id, lists }) => ({ id, labels: lists.map((list) => labelsOf(list, propagation)) })),
      rule.dawidSkene,
    );
  }
  const view = new Map<string, StepLabel[]>();
  for (const { id, lists } of ballots) {
    const labels = lists.map((list) => labelsOf(list, propagation));
    const scores = lists.map((list) => list.map(({ score }) => score ?? null));
    view.set(id, consensus(labels, rule, { judges, scores }));
  }
  return view;
}

function posteriorView(
  ballots: readonly { id: string; labels: StepLabel[][] }[],
  { threshold = 0.9, iterations }: { threshold?: number; iterations?: number },
): Map<string, StepLabel[]> {
  if (ballots.length === 0) return new Map();
  const perJudge = ballots[0]!.labels.map((_, judge) => ballots.flatMap(({ labels }) => labels[judge]!));
  const { posterior } = dawidSkene(perJudge, iterations === undefined ? {} : { iterations });
  let at = 0;
  return new Map(
    ballots.map(({ id, labels }) => [id, labels[0]!.map(() => posteriorLabel(posterior[at++]!, threshold))]),
  );
}

function posteriorLabel(posterior: DawidSkene['posterior'][number], threshold: number): StepLabel {
  if (posterior === null) return 'abstain';
  if (posterior >= threshold) return 'right';
  return 1 - posterior >= threshold ? 'wrong' : 'abstain';
}

function listOf(
  rows: Map<string, Map<string, StepVerdict[]>>,
  judge: string,
  rollout: string,
): StepVerdict[] {
  const list = rows.get(judge)?.get(rollout);
  if (list === undefined) throw dataProblem(`rollout ${rollout}: no verdicts by judge ${judge}`);
  return list;
}

function mapLists<T>(
  rows: Map<string, Map<string, StepVerdict[]>>,
  map: (list: StepVerdict[]) => T,
): Map<string, Map<string, T>> {
  return new Map(
    [...rows].map(([judge, own]) => [judge, new Map([...own].map(([id, list]) => [id, map(list)]))]),
  );
}

function inOrder(list: StepVerdict[]): StepVerdict[] {
  const ordered = list.toSorted((a, b) => a.k - b.k);
  for (const [k, verdict] of ordered.entries()) {
    if (verdict.k === k && verdict.segmenter_id === ordered[0]!.segmenter_id) continue;
    const { rollout_id, judge_id } = verdict;
    throw dataProblem(
      `rollout ${rollout_id}: verdicts by ${judge_id} must be one per step 0, 1, …; got step ${verdict.k} at place ${k}`,
    );
  }
  return ordered;
}

function labelsOf(list: readonly StepVerdict[], propagation: PropagationRule): StepLabel[] {
  const judgements = list.map(({ label, recovers }) => ({
    label: LABELS.get(label)!,
    recovers: recovers ?? false,
  }));
  // A verdict on a prefix has counted the errors before the step already.
  return applyPropagation(judgements, list[0]?.scope === 'prefix' ? 'local' : propagation);
}

function dataProblem(message: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `consensusView: ${message}`, { argument: 'verdicts' });
}
