import type { Prompt, Rollout, Verdict } from '../data/records.ts';
import { LapidaryError } from '../errors.ts';
import { SYMBOLIC } from './comparison.ts';
import type { SymbolicEngine } from './symbolic-engine.ts';
import { type AnswerVerdict, verifyAnswer, verifyText } from './verify-answer.ts';
import { verifyAnswerWith } from './verify-answer-with.ts';

/** Decides one response. `prompt` is there for styles whose ground truth alone does not say enough. */
export type Verifier = (response: string, groundTruth: string, prompt: Prompt) => AnswerVerdict;

/** The built-in styles of `reward_model.style`. */
export const verifiers: ReadonlyMap<string, Verifier> = new Map<string, Verifier>([
  ['math', verifyAnswer],
  ['text', verifyText],
]);

/** Stored with every verdict; changes when a rule change could change a verdict. */
export const VERIFIER_ID = 'answer-v2';
/** Stored instead where a symbolic engine was at hand. */
export const SYMBOLIC_VERIFIER_ID = 'answer-v2+symbolic';

export interface VerifyCounts {
  verdicts: Record<Verdict, number>;
  rules: Record<string, number>;
}

export interface VerifyOptions {
  /** Further styles, or replacements of built-in ones. */
  verifiers?: ReadonlyMap<string, Verifier>;
}

export interface VerifyWithOptions extends VerifyOptions {
  engine: SymbolicEngine;
  signal?: AbortSignal;
}

export interface VerifiedRollouts {
  rollouts: Rollout[];
  counts: VerifyCounts;
}

/**
 * Gives every rollout a verdict and a reward: 1 right, 0 wrong, null unknown. Pure: the records given are not
 * changed, and earlier verdicts in them have no influence.
 */
export function verifyRollouts(
  rollouts: readonly Rollout[],
  prompts: ReadonlyMap<string, Prompt>,
  options: VerifyOptions = {},
): VerifiedRollouts {
  const verdicts = rollouts.map((rollout) => verifyRollout(rollout, prompts, options));
  return withVerdicts(rollouts, verdicts, VERIFIER_ID);
}

/** As `verifyRollouts`; answers of the style "math" that the rules leave 'symbolic' are put to the engine. */
export async function verifyRolloutsWith(
  rollouts: readonly Rollout[],
  prompts: ReadonlyMap<string, Prompt>,
  options: VerifyWithOptions,
): Promise<VerifiedRollouts> {
  const verdicts: AnswerVerdict[] = [];
  for (const rollout of rollouts) {
    options.signal?.throwIfAborted();
    const verdict = verifyRollout(rollout, prompts, options);
    const { style, ground_truth: groundTruth } = prompts.get(rollout.prompt_id)!.reward_model;
    const own = style !== 'math' || options.verifiers?.has(style);
    const asked = verdict.rule === SYMBOLIC && !own;
    verdicts.push(
      asked ? await verifyAnswerWith(rollout.response_text, groundTruth, options.engine) : verdict,
    );
  }
  return withVerdicts(rollouts, verdicts, SYMBOLIC_VERIFIER_ID);
}

function withVerdicts(
  rollouts: readonly Rollout[],
  verdicts: readonly AnswerVerdict[],
  verifier: string,
): VerifiedRollouts {
  const counts: VerifyCounts = { verdicts: { right: 0, wrong: 0, unknown: 0 }, rules: {} };
  const verified = rollouts.map((rollout, index) => {
    const { verdict, rule } = verdicts[index]!;
    counts.verdicts[verdict]++;
    counts.rules[rule] = (counts.rules[rule] ?? 0) + 1;
    const reward = verdict === 'unknown' ? null : verdict === 'right' ? 1 : 0;
    return { ...rollout, verdict, reward, verifier, verifier_rule: rule };
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
