/** Lapidary's public names: the kernels first, then the stages of the pipeline in the order they run. */

export { checkRollouts } from './data/check-rollouts.ts';
// Records and tokenizers
export { EXPORT_FORMATS, type ExportFormat, exportRows } from './data/export-rows.ts';
export { type ImportRolloutsOptions, importRollouts, type RolloutFormat } from './data/import-rollouts.ts';
export { readAllJsonl, readJsonl, writeJsonlAtomic } from './data/jsonl.ts';
export { loadRollouts } from './data/load-rollouts.ts';
export { readParquet, writeParquetAtomic } from './data/parquet.ts';
export {
  EvalRow,
  Prompt,
  Rollout,
  Step,
  StepVerdict,
  TrainRow,
  type Verdict,
} from './data/records.ts';
export { readRows, writeRowsAtomic } from './data/tables.ts';
export { LapidaryError, type LapidaryErrorCode } from './errors.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate/evaluate.ts';
export {
  clusteredMean,
  type Interval,
  pairedDifference,
  type Standing,
  standing,
} from './evaluate/interval.ts';
export { passAtK } from './evaluate/pass-at-k.ts';
export { agreementReport } from './judge/agreement-report.ts';
export { ArithmeticJudge } from './judge/arithmetic-judge.ts';
export { type CascadePlan, planCascade } from './judge/cascade.ts';
export { type ConsensusRule, consensus } from './judge/consensus.ts';
export type { Continuer } from './judge/continuer.ts';
export { CostLedger, type TokenPrices } from './judge/cost-ledger.ts';
export { dawidSkene } from './judge/dawid-skene.ts';
export { EndpointLimiter, type EndpointLimits } from './judge/endpoint-limiter.ts';
export { formatAgreement } from './judge/format-agreement.ts';
export type {
  Judge,
  JudgeRequest,
  JudgeResponse,
  StepJudgement,
  StepLabel,
  VerdictScope,
} from './judge/judge.ts';
export type { JudgeCounts } from './judge/judge-counts.ts';
export { JudgeJournal } from './judge/judge-journal.ts';
export { type JudgedRollouts, type JudgeRolloutsOptions, judgeRollouts } from './judge/judge-rollouts.ts';
export { lambdaSweep, relabel } from './judge/lambda-sweep.ts';
export { LlmJudge, type LlmJudgeOptions } from './judge/llm-judge.ts';
export { type AnswerVerifier, MonteCarloJudge } from './judge/monte-carlo-judge.ts';
export { NoisyJudge } from './judge/noisy-judge.ts';
export { chooseLambda, precisionRecall, reliability, scoredSteps } from './judge/prm-calibration.ts';
export { PrmJudge, type PrmJudgeOptions } from './judge/prm-judge.ts';
export { RandomJudge } from './judge/random-judge.ts';
export { consensusView, labelsByJudge } from './judge/verdict-view.ts';
// Kernels
export { advantages } from './kernels/advantages.ts';
export { type Aggregation, type AggregationOptions, sequenceScales } from './kernels/aggregation.ts';
export { fromBf16, toBf16, toBf16Array } from './kernels/bf16.ts';
export { type Cuda, type CudaDevice, cuda } from './kernels/cuda.ts';
export { type CpuDevice, configureKernels, type Device, devices } from './kernels/device.ts';
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
  type KeptOptions,
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
  type PolicyLossOptions,
  type PolicyLossResult,
  policyLoss,
  policyLossMapSync,
  policyLossReduceSync,
  policyLossSync,
} from './kernels/policy-loss.ts';
export type { DLPack, IpcHandle } from './kernels/sharing.ts';
export { Event, Stream } from './kernels/stream.ts';
export { type AllocOptions, type DType, Tensor } from './kernels/tensor.ts';
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
export type { CopyOptions } from './kernels/transfer.ts';
export {
  type MergedLogprobs,
  mergeVocabShards,
  type VocabShard,
  type VocabShardGradient,
  type VocabShardOptions,
  vocabShardBackward,
  vocabShardBackwardSync,
  vocabShardStats,
  vocabShardStatsSync,
} from './kernels/vocab-shard.ts';
export { labelReport } from './label/label-report.ts';
export { labelRollouts } from './label/label-rollouts.ts';
export { groupBaselines, labelStream } from './label/label-stream.ts';
export { type PackedBatch, packStream } from './label/pack-stream.ts';
export { trainingView } from './label/training-view.ts';
export { loadPolicy, savePolicy, savePolicyDirectory } from './policy/checkpoint.ts';
export { packTokens } from './policy/pack.ts';
export { Policy, type PolicyConfig, type Sample } from './policy/policy.ts';
export type { RunConfig } from './run/config.ts';
export { loadConfig } from './run/load-config.ts';
export { type Plan, planRun } from './run/plan.ts';
export { type RunOptions, type RunSummary, run } from './run/run.ts';
export { RuleSegmenter, type RuleSegmenterOptions } from './segment/rule-segmenter.ts';
export { openSatSegmenter, SatSegmenter } from './segment/sat-segmenter.ts';
export { segmentRollouts, segmentRolloutsAsync } from './segment/segment-rollouts.ts';
export { segmentationMetrics } from './segment/segmentation-metrics.ts';
export { segmentationReport } from './segment/segmentation-report.ts';
export type { Segmenter, Span } from './segment/segmenter.ts';
export { PolicyContinuer } from './tasks/policy-continuer.ts';
export { ByteTokenizer } from './tokenizer/byte-tokenizer.ts';
export { checkTokenizer } from './tokenizer/check-tokenizer.ts';
export { loadHfEncoder } from './tokenizer/hf-encoder.ts';
export { HfTokenizer, tokenizerSha256 } from './tokenizer/hf-tokenizer.ts';
export { PieceTokenizer } from './tokenizer/piece-tokenizer.ts';
export type { Tokenizer } from './tokenizer/tokenizer.ts';
export { builtInTrainer } from './train/built-in-trainer.ts';
export { addReferenceLogprobs, type Example, examplesOf, fitToContext } from './train/examples.ts';
export { examplesFor } from './train/examples-for.ts';
export { type Movement, measureMovement } from './train/movement.ts';
export {
  OBJECTIVE_NAMES,
  type ObjectiveSpec,
  objectiveOptionNames,
  objectiveSpec,
} from './train/objective-spec.ts';
export { type PreferencePair, preferencePairs } from './train/preference-pairs.ts';
export { type TrainOptions, type TrainResult, train } from './train/train.ts';
export type { TrainedCheckpoint, Trainer, TrainingJob } from './train/trainer.ts';
// Stages
export { ComputeEngineSymbolic, type SymbolicEngine } from './verify/symbolic-engine.ts';
export { type AnswerVerdict, verifyAnswer } from './verify/verify-answer.ts';
export { verifyAnswerWith } from './verify/verify-answer-with.ts';
export { verifyRollouts, verifyRolloutsWith } from './verify/verify-rollouts.ts';
