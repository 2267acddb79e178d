import type { Prompt, Rollout, Verdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { type AnswerVerdict, verifyAnswer, verifyText } from './verify-answer.ts';

/** Decides one response. `prompt` is there for styles whose ground truth alone does not say enough. */
export type Verifier = (response: string, groundTruth: string, prompt: Prompt) => AnswerVerdict;

/** The built-in styles of `reward_model.style`. */
export const verifiers: ReadonlyMap<string, Verifier> = new Map<string, Verifier>([
  ['math', verifyAnswer],
  ['text', verifyText],
]);

/** Stored with every verdict; changes when a rule change could change a verdict. */
export const VERIFIER_ID = 'answer-v1';

export interface VerifyCounts {
  verdicts: Record<Verdict, number>;
  rules: Record<string, number>;
}

export interface VerifyOptions {
  /** Further styles, or replacements of built-in ones. */
  verifiers?: ReadonlyMap<string, Verifier>;
}

/**
 * Gives every rollout a verdict and a reward: 1 right, 0 wrong, null unknown. Pure: the records given are not
 * changed, and earlier verdicts in them have no influence.
 */
export function verifyRollouts(
  rollouts: readonly Rollout[],
  prompts: ReadonlyMap<string, Prompt>,
  options: VerifyOptions = {},
): { rollouts: Rollout[]; counts: VerifyCounts } {
  const counts: VerifyCounts = { verdicts: { right: 0, wrong: 0, unknown: 0 }, rules: {} };
  const verified = rollouts.map((rollout) => {
    const { verdict, rule } = verifyRollout(rollout, prompts, options);
    counts.verdicts[verdict]++;
    counts.rules[rule] = (counts.rules[rule] ?? 0) + 1;
    const reward = verdict === 'unknown' ? null : verdict === 'right' ? 1 : 0;
    return { ...rollout, verdict, reward, verifier: VERIFIER_ID, verifier_rule: rule };
  });
  return { rollouts: verified, counts };
}

function verifyRollout(
  rollout: Rollout,
  prompts: ReadonlyMap<string, Prompt>,
  options: VerifyOptions,
): AnswerVerdict {
  const prompt = prompts.get(rollout.prompt_id);
  if (prompt === undefined) {
    throw rowError(rollout, 'prompt_id', `no prompt ${JSON.stringify(rollout.prompt_id)}`);
  }
  const { style, ground_truth: groundTruth } = prompt.reward_model;
  const verify = options.verifiers?.get(style) ?? verifiers.get(style);
  if (verify === undefined) {
    const known = [...new Set([...verifiers.keys(), ...(options.verifiers?.keys() ?? [])])].join(', ');
    throw rowError(
      rollout,
      'style',
      `no verifier for reward_model.style ${JSON.stringify(style)}: expected one of ${known}`,
    );
  }
  try {
    return verify(rollout.response_text, groundTruth, prompt);
  } catch (cause) {
    if (!LapidaryError.isInstance(cause)) throw cause;
    throw new LapidaryError(cause.code, `prompt ${prompt.prompt_id}: ${cause.message}`, {
      cause,
      ...(cause.argument === undefined ? {} : { argument: cause.argument }),
    });
  }
}

function rowError(rollout: Rollout, field: string, problem: string): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `rollout ${rollout.rollout_id}: ${field}: ${problem}`, {
    argument: field,
  });
}
