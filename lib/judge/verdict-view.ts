import type { StepVerdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { type ConsensusRule, consensus } from './consensus.ts';
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

/** Labels per judge and rollout after propagation: judge id → rollout id → one label per step. */
export function labelsByJudge(
  verdicts: Iterable<StepVerdict>,
  propagation: PropagationRule = 'propagate',
): Map<string, Map<string, StepLabel[]>> {
  const rows = new Map<string, Map<string, StepVerdict[]>>();
  for (const verdict of verdicts) {
    const own = rows.get(verdict.judge_id) ?? new Map<string, StepVerdict[]>();
    const list = own.get(verdict.rollout_id) ?? [];
    list.push(verdict);
    rows.set(verdict.judge_id, own.set(verdict.rollout_id, list));
  }
  const labels = new Map<string, Map<string, StepLabel[]>>();
  for (const [judge, own] of rows) {
    const entries = [...own].map(([id, list]): [string, StepLabel[]] => [id, labelsOf(list, propagation)]);
    labels.set(judge, new Map(entries));
  }
  return labels;
}

/** The judges' consensus per rollout: propagation first, judge by judge, then the rule. */
export function consensusView(
  verdicts: Iterable<StepVerdict>,
  options: VerdictViewOptions = {},
): Map<string, StepLabel[]> {
  const { propagation = 'propagate', rule = 'unanimity' } = options;
  const byJudge = labelsByJudge(verdicts, propagation);
  const judges = options.judges ?? [...byJudge.keys()];
  const rollouts = new Set(judges.flatMap((judge) => [...(byJudge.get(judge)?.keys() ?? [])]));
  const view = new Map<string, StepLabel[]>();
  for (const id of rollouts) {
    const votes = judges.map((judge) => {
      const labels = byJudge.get(judge)?.get(id);
      if (labels === undefined) throw dataProblem(`rollout ${id}: no verdicts by judge ${judge}`);
      return labels;
    });
    view.set(id, consensus(votes, rule));
  }
  return view;
}

function labelsOf(list: StepVerdict[], propagation: PropagationRule): StepLabel[] {
  const ordered = list.toSorted((a, b) => a.k - b.k);
  for (const [k, verdict] of ordered.entries()) {
    if (verdict.k === k && verdict.segmenter_id === ordered[0]!.segmenter_id) continue;
    const { rollout_id, judge_id } = verdict;
    throw dataProblem(
      `rollout ${rollout_id}: verdicts by ${judge_id} must be one per step 0, 1, …; got step ${verdict.k} at place ${k}`,
    );
  }
  const judgements = ordered.map(({ label, recovers }) => ({
    label: LABELS.get(label)!,
    recovers: recovers ?? false,
  }));
  return applyPropagation(judgements, propagation);
}

function dataProblem(message: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `consensusView: ${message}`, { argument: 'verdicts' });
}
