import { ArithmeticJudge } from '../judge/arithmetic-judge.ts';
import type { Judge } from '../judge/judge.ts';
import { LlmJudge } from '../judge/llm-judge.ts';
import { ChainJudge } from '../tasks/chain-judge.ts';
import type { JudgeConfig } from './config.ts';

export function makeJudge(config: JudgeConfig): Judge {
  switch (config.kind) {
    case 'arithmetic':
      return new ArithmeticJudge(config.modulus === undefined ? {} : { modulus: config.modulus });
    case 'chain':
      return new ChainJudge();
    case 'llm':
      return new LlmJudge({
        endpoint: config.endpoint,
        model: config.model,
        includeGroundTruth: config.include_ground_truth,
        timeoutMs: config.timeout_seconds * 1000,
        ...(config.api_key_env === undefined ? {} : { apiKeyEnv: config.api_key_env }),
      });
  }
}
