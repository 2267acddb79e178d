import { badRule, type ConsensusRule, checkRule } from './consensus-rule.ts';
import { firstErrorOf } from './first-error.ts';
import type { StepLabel } from './judge.ts';

export type { ConsensusRule } from './consensus-rule.ts';

export interface ConsensusContext {
  /** Ids of the judges, in the order of `labels`; for rules that name judges. */
  judges?: readonly string[];
  /** scores[judge][step], for twoThresholds. */
  scores?: readonly (readonly (number | null)[])[];
}

/** The labels of one response by each judge (`labels[judge][step]`) as one label per step. */
export function consensus(
  labels: readonly (readonly StepLabel[])[],
  rule: ConsensusRule = 'unanimity',
  context: ConsensusContext = {},
): StepLabel[] {
  const [first] = labels;
  if (first === undefined) throw badRule('labels', 'no judge; expected at least one');
  for (const [judge, own] of labels.entries()) {
    if (own.length !== first.length) {
      throw badRule('labels', `${own.length} steps from judge ${judge}, ${first.length} from judge 0`);
    }
  }
  checkRule(rule, labels.length, context.judges ?? null);
  return apply(labels, rule, context);
}

type Labels = readonly (readonly StepLabel[])[];

function apply(labels: Labels, rule: ConsensusRule, context: ConsensusContext): StepLabel[] {
  const count = labels.length;
  const equal = labels.map(() => 1);
  if (rule === 'unanimity') return byWeight(labels, equal, count);
  if (rule === 'any') return byWeight(labels, equal, 1);
  if (rule === 'majority') return byWeight(labels, equal, Math.floor(count / 2) + 1);
  if (rule === 'veto') return perStep(labels, veto);
  if ('atLeast' in rule) return byWeight(labels, equal, rule.atLeast);
  if ('weights' in rule) return byShare(labels, rule, context.judges!);
  if ('first' in rule) return [...labels[context.judges!.indexOf(rule.first)]!];
  if ('twoThresholds' in rule) return twoThresholds(labels, rule.twoThresholds, context);
  if ('gate' in rule) return gate(labels, rule.gate.rule ?? 'unanimity', context);
  throw badRule('rule', 'dawidSkene for a single response; expected consensusView, which has them all');
}

function perStep(labels: Labels, decide: (votes: StepLabel[]) => StepLabel): StepLabel[] {
  return labels[0]!.map((_, step) => decide(labels.map((own) => own[step]!)));
}

/** Right from `needed` weight of rights up; abstain where the judges that abstain could still bring it about. */
function byWeight(labels: Labels, weights: readonly number[], needed: number): StepLabel[] {
  return perStep(labels, (votes) => {
    if (weightOf(votes, weights, ['right']) >= needed) return 'right';
    return weightOf(votes, weights, ['right', 'abstain']) >= needed ? 'abstain' : 'wrong';
  });
}

function byShare(
  labels: Labels,
  { weights, share = 0.5 }: { weights: Readonly<Record<string, number>>; share?: number },
  judges: readonly string[],
): StepLabel[] {
  const own = judges.map((id) => weights[id] ?? 0);
  const bar = share * own.reduce((a, b) => a + b, 0);
  return perStep(labels, (votes) => {
    if (weightOf(votes, own, ['right']) > bar) return 'right';
    return weightOf(votes, own, ['right', 'abstain']) > bar ? 'abstain' : 'wrong';
  });
}

function weightOf(votes: readonly StepLabel[], weights: readonly number[], of: readonly StepLabel[]): number {
  return votes.reduce((sum, vote, i) => (of.includes(vote) ? sum + weights[i]! : sum), 0);
}

function veto(votes: readonly StepLabel[]): StepLabel {
  if (votes.includes('wrong')) return 'wrong';
  return votes.includes('right') ? 'right' : 'abstain';
}

function twoThresholds(
  labels: Labels,
  { judge, low, high, between }: { judge: string; low: number; high: number; between: string },
  { judges, scores }: ConsensusContext,
): StepLabel[] {
  const own = scores?.[judges!.indexOf(judge)];
  if (own === undefined) throw badRule('scores', `none of judge ${judge}; twoThresholds needs them`);
  const other = labels[judges!.indexOf(between)]!;
  return other.map((label, step) => {
    const score = own[step] ?? null;
    if (score === null) return 'abstain';
    if (score >= high) return 'right';
    return score < low ? 'wrong' : label;
  });
}

function gate(labels: Labels, rule: ConsensusRule, context: ConsensusContext): StepLabel[] {
  const [first, ...others] = labels.map(firstErrorOf);
  const open = first !== 'unknown' && others.every((other) => other === first);
  return open ? apply(labels, rule, context) : labels[0]!.map(() => 'abstain');
}
