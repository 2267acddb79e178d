import { contentId } from '../data/ids.ts';
import type { EndpointClientOptions } from './endpoint-client.ts';
import { badOptionOf, chatPath, type EndpointOptions, endpointClientOptions } from './endpoint-options.ts';
import { PROMPT_VERSIONS, type PromptVersion } from './llm-prompt.ts';

export interface LlmJudgeOptions extends EndpointOptions {
  /** Base address of an OpenAI-compatible server ("http://host:8000", ".../v1") or of its chat endpoint. */
  endpoint: string;
  model: string;
  /** Default "v2". */
  promptVersion?: PromptVersion;
  /** Default 0. */
  temperature?: number;
  /** Cap on the reply. Default 8,192: about 60 tokens a step for 130 steps. */
  maxTokens?: number;
  /** Whether the judge sees the gold answer. Default true. */
  includeGroundTruth?: boolean;
  /** How the reply's form is asked for; "none" for servers that know no response_format. Default "json_schema". */
  responseFormat?: 'json_schema' | 'json_object' | 'none';
  /** Steps judged by one question; the whole solution is shown each time. Default: all. */
  maxStepsPerCall?: number;
  /** The model's context, prompt and reply together. Default: learnt from the endpoint's refusal. */
  contextTokens?: number;
  /** Characters of earlier steps shown before a window. Default 2,000. */
  contextCharacters?: number;
  /** Asked, at the same endpoint, what `model` refuses to answer. Default: none. */
  secondModel?: string;
}

export interface LlmSettings {
  model: string;
  promptVersion: PromptVersion;
  temperature: number;
  maxTokens: number;
  includeGroundTruth: boolean;
  responseFormat: 'json_schema' | 'json_object' | 'none';
  maxStepsPerCall: number;
  contextTokens: number | null;
  contextCharacters: number;
  secondModel: string | null;
}

const badOption = badOptionOf('LlmJudge');

/** Checks the options and puts the defaults in their places. Every problem is ERR_LAPIDARY_ARGUMENT. */
export function llmSettings(options: LlmJudgeOptions): LlmSettings {
  checkPositive(options);
  const settings: LlmSettings = {
    model: options.model,
    promptVersion: options.promptVersion ?? 'v2',
    temperature: options.temperature ?? 0,
    maxTokens: options.maxTokens ?? 8192,
    includeGroundTruth: options.includeGroundTruth ?? true,
    responseFormat: options.responseFormat ?? 'json_schema',
    maxStepsPerCall: options.maxStepsPerCall ?? Number.POSITIVE_INFINITY,
    contextTokens: options.contextTokens ?? null,
    contextCharacters: options.contextCharacters ?? 2000,
    secondModel: options.secondModel ?? null,
  };
  if (!PROMPT_VERSIONS.includes(settings.promptVersion))
    throw badOption('promptVersion', settings.promptVersion, PROMPT_VERSIONS.join(', '));
  if (settings.model === '') throw badOption('model', settings.model, 'a model name');
  if (settings.secondModel === '') throw badOption('secondModel', '', 'a model name');
  if (!(settings.contextCharacters >= 0))
    throw badOption('contextCharacters', settings.contextCharacters, 'a number of at least 0');
  return settings;
}

function checkPositive(options: LlmJudgeOptions): void {
  const { maxTokens, maxStepsPerCall, contextTokens } = options;
  const counts = { maxTokens, maxStepsPerCall, contextTokens };
  for (const [name, value] of Object.entries(counts)) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw badOption(name, value, 'a positive integer');
  }
}

/** Names every setting that can change a verdict. */
export function llmJudgeId(options: LlmJudgeOptions, settings: LlmSettings): string {
  const { model, promptVersion, temperature, maxTokens, includeGroundTruth } = settings;
  const { maxStepsPerCall, contextTokens, contextCharacters, secondModel } = options;
  const rest = { maxStepsPerCall, contextTokens, contextCharacters, secondModel };
  const hash = contentId({ temperature, maxTokens, includeGroundTruth, ...rest }).slice(0, 8);
  return `llm:${model}:${promptVersion}:${hash}`;
}

export function chatClientOptions(options: LlmJudgeOptions): EndpointClientOptions {
  return endpointClientOptions(options, chatPath, badOption);
}
