/** Lapidary's public names: the kernels first, then the stages of the pipeline in the order they run. */

export { checkRollouts } from './data/check-rollouts.ts';
export { readAllJsonl, readJsonl, writeJsonlAtomic } from './data/jsonl.ts';
// Records and tokenizers
export { loadRollouts } from './data/load-rollouts.ts';
export type { EvalRow, Prompt, Rollout, Step, StepVerdict, TrainRow, Verdict } from './data/records.ts';
export { LapidaryError, type LapidaryErrorCode } from './errors.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate/evaluate.ts';
export { ArithmeticJudge } from './judge/arithmetic-judge.ts';
export type { Judge, JudgeRequest, JudgeResponse, StepJudgement, StepLabel } from './judge/judge.ts';
export { judgeRollouts } from './judge/judge-rollouts.ts';
export { LlmJudge, type LlmJudgeOptions } from './judge/llm-judge.ts';
export { consensusView } from './judge/verdict-view.ts';
// Kernels
export { advantages } from './kernels/advantages.ts';
export { type Aggregation, type AggregationOptions, sequenceScales } from './kernels/aggregation.ts';
export { fromBf16, toBf16, toBf16Array } from './kernels/bf16.ts';
export { configureKernels, type Device, devices } from './kernels/device.ts';
export {
  type DivergenceInput,
  type DivergenceKind,
  type DivergenceOptions,
  type DivergenceTransform,
  type DivergenceWithGradient,
  divergence,
  divergenceSync,
  divergenceWithGradient,
  divergenceWithGradientSync,
  type WeightedDivergenceInput,
} from './kernels/divergence.ts';
export { fromF16, toF16, toF16Array } from './kernels/f16.ts';
export { type GaeInput, generalisedAdvantages } from './kernels/gae.ts';
export type { GroupIds } from './kernels/groups.ts';
export {
  keptLogits,
  type LinearBackwardOptions,
  type LinearForwardOptions,
  type LinearGradients,
  type LinearLogprobsGradient,
  type LinearLogprobsInput,
  linearLogprobs,
  linearLogprobsBackward,
  linearLogprobsBackwardSync,
  linearLogprobsSync,
} from './kernels/linear-logprobs.ts';
export {
  type LinearPolicyLossInput,
  type LinearPolicyLossOptions,
  type LinearPolicyLossResult,
  linearPolicyLoss,
  linearPolicyLossSync,
} from './kernels/linear-policy-loss.ts';
export {
  type LinearLogprobsWithGradient,
  type LinearWithGradientOptions,
  linearLogprobsWithGradient,
  linearLogprobsWithGradientSync,
  type WeightedLinearLogprobsInput,
} from './kernels/linear-with-gradient.ts';
export type {
  EntropyColumns,
  LogprobColumns,
  LogprobForwardOptions,
  LogprobOptions,
  Logprobs,
} from './kernels/logprobs.ts';
export {
  type Anchor,
  type Gate,
  type Importance,
  type Kl,
  type Objective,
  objectives,
  type SequenceTerm,
  type TokenMask,
} from './kernels/objectives.ts';
export {
  DIAGNOSTICS,
  type Diagnostics,
  EXTREMA,
  type PolicyLossInput,
  type PolicyLossResult,
  policyLoss,
  policyLossMapSync,
  policyLossReduceSync,
  policyLossSync,
} from './kernels/policy-loss.ts';
export { type DType, Tensor } from './kernels/tensor.ts';
export {
  type LogprobsWithGradient,
  type TokenLogprobsGradient,
  type TokenLogprobsInput,
  tokenLogprobs,
  tokenLogprobsBackward,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
  tokenLogprobsWithGradient,
  tokenLogprobsWithGradientSync,
  type WeightedTokenLogprobsInput,
} from './kernels/token-logprobs.ts';
export { labelReport } from './label/label-report.ts';
export { labelRollouts } from './label/label-rollouts.ts';
export { trainingView } from './label/training-view.ts';
export { loadPolicy, savePolicy } from './policy/checkpoint.ts';
export { packTokens } from './policy/pack.ts';
export { Policy, type PolicyConfig, type Sample } from './policy/policy.ts';
export { loadConfig, type RunConfig } from './run/config.ts';
export { type RunOptions, type RunSummary, run } from './run/run.ts';
export { RuleSegmenter, type RuleSegmenterOptions } from './segment/rule-segmenter.ts';
export { segmentRollouts } from './segment/segment-rollouts.ts';
export type { Segmenter, Span } from './segment/segmenter.ts';
export { ByteTokenizer } from './tokenizer/byte-tokenizer.ts';
export { PieceTokenizer } from './tokenizer/piece-tokenizer.ts';
export type { Tokenizer } from './tokenizer/tokenizer.ts';
export { addReferenceLogprobs, type Example, examplesOf, fitToContext } from './train/examples.ts';
export { type Movement, measureMovement } from './train/movement.ts';
export { type TrainOptions, train } from './train/train.ts';
// Stages
export { type AnswerVerdict, verifyAnswer } from './verify/verify-answer.ts';
export { verifyRollouts } from './verify/verify-rollouts.ts';
