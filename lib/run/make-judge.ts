import { ArithmeticJudge } from '../judge/arithmetic-judge.ts';
import type { EndpointOptions } from '../judge/endpoint-options.ts';
import type { Judge } from '../judge/judge.ts';
import { LlmJudge, type LlmJudgeOptions } from '../judge/llm-judge.ts';
import { MonteCarloJudge } from '../judge/monte-carlo-judge.ts';
import { NoisyJudge } from '../judge/noisy-judge.ts';
import { PrmJudge } from '../judge/prm-judge.ts';
import { RandomJudge } from '../judge/random-judge.ts';
import type { Policy } from '../policy/policy.ts';
import { ChainJudge } from '../tasks/chain-judge.ts';
import { PolicyContinuer } from '../tasks/policy-continuer.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { verifyAnswer } from '../verify/verify-answer.ts';
import { VERIFIER_ID } from '../verify/verify-rollouts.ts';
import { type ErrorConfig, type JudgeConfig, type PaidConfig, pricesOf } from './judge-config.ts';
import type { Judging } from './judging.ts';
import type { Handle } from './stage.ts';

/** What judges that run a policy need. */
export interface JudgeSurroundings {
  /** The policy that sampled the rollouts; null where they were stored. */
  policy: Handle<Policy> | null;
  tokenizer: Tokenizer;
  maxContext: number;
  seed: number;
  judging: Judging;
}

type LlmConfig = Extract<JudgeConfig, { kind: 'llm' }>;

export function makeJudge(config: JudgeConfig, surroundings: JudgeSurroundings): Judge {
  switch (config.kind) {
    case 'arithmetic':
      return noisy(
        new ArithmeticJudge(config.modulus === undefined ? {} : { modulus: config.modulus }),
        config,
      );
    case 'chain':
      return noisy(new ChainJudge(), config);
    case 'random':
      return new RandomJudge({ right: config.share, seed: config.seed });
    case 'monte_carlo':
      return monteCarlo(config, surroundings);
    case 'prm':
      return new PrmJudge({
        ...{ protocol: config.protocol, lambda: config.lambda },
        ...{ contextTokens: config.context_tokens, merge: config.merge },
        ...endpointOptions(config, surroundings.judging),
      });
    case 'llm':
      return new LlmJudge(llmOptions(config, surroundings.judging));
  }
}

function llmOptions(config: LlmConfig, judging: Judging): LlmJudgeOptions {
  return {
    ...endpointOptions(config, judging),
    ...{ promptVersion: config.prompt, maxTokens: config.max_tokens, temperature: config.temperature },
    ...{ includeGroundTruth: config.include_ground_truth, responseFormat: config.response_format },
    ...(config.max_steps_per_call === undefined ? {} : { maxStepsPerCall: config.max_steps_per_call }),
    ...(config.context_tokens === undefined ? {} : { contextTokens: config.context_tokens }),
    ...(config.second_model === undefined ? {} : { secondModel: config.second_model }),
  };
}

/** The ledger is the run's: one cap over all judges. */
function endpointOptions(config: PaidConfig, judging: Judging): EndpointOptions & { model: string } {
  const prices = pricesOf(config);
  return {
    ...{ endpoint: config.endpoint, model: config.model, maxAttempts: config.max_attempts },
    timeoutMs: Math.round(config.timeout_seconds * 1000),
    limits: judging.limiter(config),
    ...(config.api_key_env === undefined ? {} : { apiKeyEnv: config.api_key_env }),
    ...(prices === null ? {} : { prices, ledger: judging.ledger }),
  };
}

function noisy(judge: Judge, { error_rate: rate, error_seed: seed, errors_in: flips }: ErrorConfig): Judge {
  return rate === 0 ? judge : new NoisyJudge({ judge, rate, seed, flips });
}

function monteCarlo(
  { samples, min_right: minRight }: Extract<JudgeConfig, { kind: 'monte_carlo' }>,
  { policy, tokenizer, maxContext, seed }: JudgeSurroundings,
): MonteCarloJudge {
  const continuer = new PolicyContinuer({
    ...{ policy: () => policy!.value(), eosId: tokenizer.eosId, maxNewTokens: maxContext },
    policyId: policy!.result?.slice(0, 16) ?? 'not-trained-yet',
  });
  const verify = (response: string, truth: string) => verifyAnswer(response, truth).verdict;
  const decode = (ids: ArrayLike<number>) => tokenizer.decode(ids);
  const verifier = { id: VERIFIER_ID, verify };
  return new MonteCarloJudge({ continuer, verifier, decode, samples, minRight, seed });
}
