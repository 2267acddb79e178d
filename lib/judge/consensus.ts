import { LapidaryError } from '../errors.ts';
import type { StepLabel } from './judge.ts';

/**
 * How several judges become one label per step. 'unanimity' is the paper's rule: right only if every judge says
 * right; wrong if any says wrong; otherwise, where someone abstains and no one says wrong, abstain. An abstention
 * leaves the tokens at weight 1.
 */
export type ConsensusRule = 'unanimity';

/** The labels of one response by each judge (`labels[judge][step]`) as one label per step. */
export function consensus(
  labels: readonly (readonly StepLabel[])[],
  rule: ConsensusRule = 'unanimity',
): StepLabel[] {
  const [first] = labels;
  if (first === undefined) throw badArgument('labels', 'no judge; expected at least one');
  if (rule !== 'unanimity') throw badArgument('rule', `${String(rule)}; expected unanimity`);
  for (const [judge, own] of labels.entries()) {
    if (own.length !== first.length) {
      throw badArgument('labels', `${own.length} steps from judge ${judge}, ${first.length} from judge 0`);
    }
  }
  return first.map((_, step) => unanimous(labels.map((own) => own[step]!)));
}

function unanimous(votes: readonly StepLabel[]): StepLabel {
  if (votes.includes('wrong')) return 'wrong';
  return votes.includes('abstain') ? 'abstain' : 'right';
}

function badArgument(argument: string, given: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_ARGUMENT', `consensus: ${argument}: got ${given}`, { argument });
}
