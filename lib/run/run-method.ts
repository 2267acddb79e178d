import type { EvalRow, Prompt } from '../data/records.ts';
import { type Evaluation, evaluate } from '../evaluate/evaluate.ts';
import { Policy } from '../policy/policy.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Example, fitToContext } from '../train/examples.ts';
import { type Movement, measureMovement, type TokenClass } from '../train/movement.ts';
import { type TrainResult, train } from '../train/train.ts';
import type { Method, RunConfig } from './config.ts';
import { maxNewTokens } from './inputs.ts';
import { objectiveOf } from './objective-of.ts';
import type { Progress } from './progress.ts';
import type { RunDirectory } from './run-directory.ts';
import { seedOf } from './seeds.ts';

export interface MethodInput {
  config: RunConfig;
  method: Method;
  /** With reference log-probs; what the policy cannot hold has been cut. */
  examples: readonly Example[];
  base: Policy;
  tokenizer: Tokenizer;
  heldOut: readonly Prompt[];
  trainSeed: number;
  directory: RunDirectory;
  progress: Progress;
  signal?: AbortSignal;
}

export interface MethodResult extends BaseEvaluation {
  method: string;
  trainSeed: number;
  training: TrainResult;
  movement: Record<TokenClass, Movement>;
  policy: Policy;
}

/** A policy of its own with the weights of `source`. */
export function copyPolicy(source: Policy, threads: number): Policy {
  const copy = new Policy(source.config, { threads });
  for (const { name } of source.parameters()) copy.write('parameters', name, source.read('parameters', name));
  return copy;
}

/** Trains a copy of the base policy by one method, measures how log-probs moved, and evaluates it. */
export async function runMethod(input: MethodInput): Promise<MethodResult> {
  const { config, method, base, trainSeed, directory, progress, signal } = input;
  const policy = copyPolicy(base, config.threads);
  // A response with advantage 0 changes nothing under RFT; under a constraint it would still be held in place.
  const examples =
    method.objective === 'rft' ? input.examples.filter((example) => example.advantage !== 0) : input.examples;
  const { updates, responses_per_update: responsesPerUpdate, lr } = config.train;
  const training = await train({
    ...{ policy, examples, objective: objectiveOf(method), updates, responsesPerUpdate, lr, seed: trainSeed },
    onUpdate: (metrics) => {
      directory.metric({ method: method.name, train_seed: trainSeed, ...metrics });
      progress.status(
        `train ${method.name} (seed ${trainSeed}): update ${metrics.update} of ${updates}, ` +
          `loss ${metrics.loss.toFixed(4)}, |g| ${metrics.gradNorm.toFixed(2)}`,
      );
    },
    ...(signal ? { signal } : {}),
  });
  const movement = await measureMovement(policy, input.examples);
  const { evaluation, greedy } = await evaluatePolicy({
    ...input,
    policy,
    runId: `${method.name}-${trainSeed}`,
  });
  return { method: method.name, trainSeed, training, movement, evaluation, greedy, policy };
}

export interface EvaluateInput extends Pick<MethodInput, 'config' | 'tokenizer' | 'heldOut' | 'signal'> {
  policy: Policy;
  runId: string;
}

export interface BaseEvaluation {
  /** Null where there are no held-out prompts. */
  evaluation: Evaluation | null;
  greedy: Evaluation | null;
}

/** pass@1 over samples and greedily, on the held-out prompts. */
export async function evaluatePolicy(input: EvaluateInput): Promise<BaseEvaluation> {
  const { config, policy, tokenizer, heldOut: prompts, runId, signal } = input;
  if (config.evaluate === undefined || prompts.length === 0) return { evaluation: null, greedy: null };
  const common = {
    ...{ policy, tokenizer, prompts, runId, seed: seedOf(config, 'evaluation') },
    maxNewTokens: maxNewTokens(config),
    ...(signal ? { signal } : {}),
  };
  const evaluation = await evaluate({ ...common, samplesPerPrompt: config.evaluate.samples_per_prompt });
  const greedy = await evaluate({ ...common, samplesPerPrompt: 1, temperature: 0 });
  return { evaluation, greedy };
}

export function evalRows(result: BaseEvaluation): EvalRow[] {
  return [...(result.evaluation?.rows ?? []), ...(result.greedy?.rows ?? [])];
}

export function cutToPolicy(config: RunConfig, examples: readonly Example[]) {
  return fitToContext(examples, config.policy.max_prompt, config.policy.max_context);
}
