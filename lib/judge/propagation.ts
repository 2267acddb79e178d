import type { StepJudgement, StepLabel } from './judge.ts';

/**
 * How an intrinsic judgement becomes the label of a step. 'propagate': Error Propagation and Error Termination
 * (arXiv 2505.14391, used by 2505.14403): after an error every step counts as wrong until one corrects it or opens a
 * new approach free of it. 'local': each step for itself.
 */
export type PropagationRule = 'propagate' | 'local';

/** Applies the rule in code, so that labels can be derived again from stored judgements without asking anyone. */
export function applyPropagation(
  judgements: readonly Pick<StepJudgement, 'label' | 'recovers'>[],
  rule: PropagationRule = 'propagate',
): StepLabel[] {
  if (rule === 'local') return judgements.map((judgement) => judgement.label);
  let inError = false;
  return judgements.map(({ label, recovers }) => {
    // An abstention neither makes nor mends an error.
    if (label === 'abstain') return 'abstain';
    if (label === 'wrong') inError = true;
    else if (recovers) inError = false;
    return inError ? 'wrong' : 'right';
  });
}
