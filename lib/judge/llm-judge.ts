import type { EndpointClientOptions } from './endpoint-client.ts';
import type { JudgeRequest } from './judge.ts';
import { LlmInterview } from './llm-interview.ts';
import {
  chatClientOptions,
  type LlmJudgeOptions,
  type LlmSettings,
  llmJudgeId,
  llmSettings,
} from './llm-options.ts';
import type { GroundTruthAware, RecordedResponse } from './recorded-response.ts';

export type { LlmJudgeOptions } from './llm-options.ts';

/**
 * Asks a language model for an intrinsic verdict on every step of a response, in one call where the response fits one.
 * Whatever goes wrong with an answer turns into abstentions with the class as reason; only what can never work (401,
 * 403, 404, no key, an empty account) throws ERR_LAPIDARY_JUDGE.
 */
export class LlmJudge implements GroundTruthAware {
  readonly id: string;
  readonly seesGroundTruth: boolean;
  readonly #settings: LlmSettings;
  readonly #client: EndpointClientOptions;

  constructor(options: LlmJudgeOptions) {
    this.#settings = llmSettings(options);
    this.#client = chatClientOptions(options);
    this.id = llmJudgeId(options, this.#settings);
    this.seesGroundTruth = this.#settings.includeGroundTruth;
  }

  async judge(request: JudgeRequest, options: { signal?: AbortSignal } = {}): Promise<RecordedResponse> {
    options.signal?.throwIfAborted();
    const interview = new LlmInterview(request, this.#settings, this.#client, options.signal);
    const started = performance.now();
    const judgements = await interview.run();
    interview.usage.seconds = (performance.now() - started) / 1000;
    return { judgements, usage: interview.usage, replySha256: interview.replySha256 };
  }
}
