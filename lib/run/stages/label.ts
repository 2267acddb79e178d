import { type Rollout, type Step, type StepVerdict, TrainRow } from '../../data/records.ts';
import type { ConsensusRule } from '../../judge/consensus.ts';
import type { StepLabel } from '../../judge/judge.ts';
import { consensusView } from '../../judge/verdict-view.ts';
import { labelReport } from '../../label/label-report.ts';
import { labelRollouts } from '../../label/label-rollouts.ts';
import { trainingView } from '../../label/training-view.ts';
import { type AdvantageRule, advantagesOf } from '../../train/advantage-rule.ts';
import { examplesOf } from '../../train/examples.ts';
import type { Method, RunConfig } from '../config.ts';
import { judgeName } from '../judge-config.ts';
import { objectiveOf } from '../objective-of.ts';
import type { Handle } from '../stage.ts';
import { readTable, type StageContext, writeTable } from './context.ts';
import type { Judged } from './judge.ts';
import type { Verified } from './verify.ts';

/** Rollouts with all that training rows are made of. */
export interface Prepared {
  verified: Handle<Verified>;
  steps: Handle<Step[]>;
  judged: readonly Judged[];
}

/** Advantage and token weights by a method's rule. Methods that relieve nothing do not depend on any judge. */
export function labelStage(
  context: StageContext,
  method: Method,
  where: string,
  prepared: Prepared,
): Promise<Handle<TrainRow[]>> {
  const { runner } = context;
  const { beta, propagation } = method;
  const rule = ruleOf(method.consensus);
  const { advantage } = objectiveOf(method);
  const judges = beta === 1 ? [] : judgesOf(context.config, method, prepared);
  const ids = judges.map(({ judge }) => judge.id);
  return runner.stage<TrainRow[]>({
    kind: 'label',
    title: `label ${method.name}${where}`,
    version: 2,
    settings: { advantage, ...(beta === 1 ? {} : { beta, propagation, rule, judges: ids }) },
    inputs: [prepared.verified, prepared.steps, ...judges.map(({ verdicts }) => verdicts)],
    async compute(directory) {
      const { rollouts } = await prepared.verified.value();
      const steps = await prepared.steps.value();
      const verdicts = await allVerdicts(judges);
      const consensus: Map<string, StepLabel[]> =
        judges.length === 0 ? new Map() : consensusView(verdicts, { propagation, rule, judges: ids });
      const labelled = labelRollouts({ rollouts, steps, consensus, beta, advantage: 'mean' });
      const rows = withAdvantages(labelled, rollouts, advantage);
      const files = [await writeTable(directory, 'train', rows)];
      const { wrongTokens, relievedTokens } = labelReport({ rollouts, steps, verdicts, consensus });
      return {
        files,
        counts: { ...dropCounts(rows), wrong_tokens: wrongTokens, relieved_tokens: relievedTokens },
      };
    },
    load: (directory) => readTable(directory, 'train', TrainRow),
  });
}

export function ruleOf(consensus: Method['consensus']): ConsensusRule {
  if (typeof consensus === 'string') return consensus;
  if ('at_least' in consensus) return { atLeast: consensus.at_least };
  return { dawidSkene: { threshold: consensus.dawid_skene } };
}

/** The advantages of the method's own rule, over the rows that are trained on. */
function withAdvantages(
  rows: readonly TrainRow[],
  rollouts: readonly Rollout[],
  rule: AdvantageRule,
): TrainRow[] {
  const byId = new Map(rollouts.map((rollout) => [rollout.rollout_id, rollout]));
  const advantages = advantagesOf(examplesOf(trainingView(rows), byId), rule);
  let at = 0;
  return rows.map((row) => (row.drop_reason === null ? { ...row, advantage: advantages[at++]! } : row));
}

/** The judges a method names, or all that are not controls. */
export function judgesOf(config: RunConfig, method: Pick<Method, 'judges'>, { judged }: Prepared): Judged[] {
  const controls = new Set(config.judges.filter(({ control }) => control).map(judgeName));
  return judged.filter(({ name }) =>
    method.judges === undefined ? !controls.has(name) : method.judges.includes(name),
  );
}

export async function allVerdicts(judges: readonly Judged[]): Promise<StepVerdict[]> {
  const lists = await Promise.all(judges.map(({ verdicts }) => verdicts.value()));
  return lists.flat();
}

function dropCounts(rows: readonly TrainRow[]) {
  const dropped: Record<string, number> = {};
  let trained = 0;
  for (const { drop_reason: reason } of rows) {
    if (reason === null) trained += 1;
    else dropped[reason] = (dropped[reason] ?? 0) + 1;
  }
  return { rows: rows.length, trained, dropped };
}
