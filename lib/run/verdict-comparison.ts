import type { Rollout, Verdict } from '../data/records.ts';

export interface VerdictComparison {
  /** The file's own column. */
  column: 'source_label' | 'check';
  compared: number;
  agreed: number;
  /** Rollouts on which the two differ, by how. */
  differing: { kind: string; rollouts: Rollout[] }[];
}

/** How each column speaks; null where it says nothing. An answer that is not there is "unknown" to us. */
const COLUMNS: Record<VerdictComparison['column'], (value: unknown) => Verdict | 'not right' | null> = {
  // A grade of false does not tell a wrong answer from a missing one.
  source_label: (value) => (value === true ? 'right' : value === false ? 'not right' : null),
  check: (value) =>
    value === 'right' || value === 'wrong' ? value : value === 'no-answer' ? 'unknown' : null,
};

/** Compares verdicts with labels that a file brings along (see examples/rollouts-real); neither is ground truth. */
export function compareVerdicts(rollouts: readonly Rollout[]): VerdictComparison[] {
  const out: VerdictComparison[] = [];
  for (const [column, read] of Object.entries(COLUMNS)) {
    const comparison = compareColumn(column as VerdictComparison['column'], read, rollouts);
    if (comparison.compared > 0) out.push(comparison);
  }
  return out;
}

function compareColumn(
  column: VerdictComparison['column'],
  read: (value: unknown) => Verdict | 'not right' | null,
  rollouts: readonly Rollout[],
): VerdictComparison {
  const differing = new Map<string, Rollout[]>();
  let compared = 0;
  let agreed = 0;
  for (const rollout of rollouts) {
    const theirs = read(rollout[column]);
    if (theirs === null) continue;
    compared += 1;
    const ours = rollout.verdict ?? 'unknown';
    if (ours === theirs || (theirs === 'not right' && ours !== 'right')) {
      agreed += 1;
      continue;
    }
    const kind = `ours ${ours}, theirs ${theirs}`;
    differing.set(kind, [...(differing.get(kind) ?? []), rollout]);
  }
  return {
    column,
    compared,
    agreed,
    differing: [...differing].map(([kind, list]) => ({ kind, rollouts: list })),
  };
}
