import type { Step, StepVerdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { agreementReport } from './agreement-report.ts';
import type { ConsensusRule } from './consensus.ts';
import type { PropagationRule } from './propagation.ts';

/**
 * Stored verdicts as they would be at another threshold: right where the score is at least lambda. It is for the
 * verdicts of `judge`, by default of every judge of scope 'prefix' that has scores; others' verdicts and abstentions stay
 * as they are. A "lambda=" in the judge's id is brought up to date, on its abstentions too.
 */
export function relabel(verdicts: readonly StepVerdict[], lambda: number, judge?: string): StepVerdict[] {
  if (!(lambda >= 0 && lambda <= 1)) {
    const problem = `relabel: lambda: got ${lambda}; expected a number in [0, 1]`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'lambda' });
  }
  const scored = verdicts.filter(({ scope, score }) => scope === 'prefix' && score != null);
  const meant = new Set(judge === undefined ? scored.map(({ judge_id }) => judge_id) : [judge]);
  return verdicts.map((row) => {
    if (!meant.has(row.judge_id)) return row;
    const judge_id = idAt(row.judge_id, lambda);
    // An abstention stays one, whatever it carries.
    if (row.score == null || row.label === -1) return { ...row, judge_id };
    return { ...row, judge_id, label: row.score >= lambda ? 1 : 0 };
  });
}

function idAt(id: string, lambda: number): string {
  return id.replace(/lambda=[^,()]*/, `lambda=${lambda}`);
}

export interface LambdaSweepOptions {
  verdicts: readonly StepVerdict[];
  /** The judge with scores. */
  judge: string;
  lambdas: readonly number[];
  /** For the counts in tokens. */
  steps?: readonly Step[];
  propagation?: PropagationRule;
  rule?: ConsensusRule;
  rollouts?: ReadonlySet<string>;
}

export interface LambdaSweepRow {
  lambda: number;
  /** Share of steps that the judge alone calls right. */
  right: number;
  /** Share of steps, and of tokens, that the judges' consensus calls right. */
  minedSteps: number;
  minedTokens: number | null;
  /** With every other judge, in steps. */
  kappa: Record<string, number | null>;
}

/** What each lambda would mine and how the judge would agree with the others, from stored scores alone. */
export function lambdaSweep(options: LambdaSweepOptions): LambdaSweepRow[] {
  const { verdicts, judge, lambdas, ...rest } = options;
  if (!verdicts.some(({ judge_id, score }) => judge_id === judge && score != null)) {
    const problem = `lambdaSweep: judge: got ${judge}; expected one with scores among the verdicts`;
    throw new LapidaryError('ERR_LAPIDARY_ARGUMENT', problem, { argument: 'judge' });
  }
  return lambdas.map((lambda) => {
    const own = idAt(judge, lambda);
    const report = agreementReport({ ...rest, verdicts: relabel(verdicts, lambda, judge), replicates: 0 });
    const pairs = report.pairs.filter(({ first, second }) => first === own || second === own);
    return {
      lambda,
      right: report.judges.find(({ id }) => id === own)!.steps.right,
      minedSteps: report.consensus.steps.right,
      minedTokens: report.consensus.tokens?.right ?? null,
      kappa: Object.fromEntries(
        pairs.map(({ first, second, steps }) => [first === own ? second : first, steps.kappa]),
      ),
    };
  });
}
