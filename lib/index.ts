export { LapidaryError, type LapidaryErrorCode } from './errors.ts';
export { type Aggregation, sequenceScales } from './kernels/aggregation.ts';
export { fromBf16, toBf16, toBf16Array } from './kernels/bf16.ts';
export { configureKernels, type Device, devices } from './kernels/device.ts';
export * from './kernels/linear-logprobs.ts';
export { type Anchor, type Objective, objectives } from './kernels/objectives.ts';
export {
  DIAGNOSTICS,
  type Diagnostics,
  type PolicyLossInput,
  type PolicyLossResult,
  policyLoss,
  policyLossMapSync,
  policyLossReduceSync,
  policyLossSync,
} from './kernels/policy-loss.ts';
export { type DType, Tensor } from './kernels/tensor.ts';
export {
  type LogprobForwardOptions,
  type LogprobOptions,
  type Logprobs,
  type TokenLogprobsGradient,
  type TokenLogprobsInput,
  tokenLogprobs,
  tokenLogprobsBackward,
  tokenLogprobsBackwardSync,
  tokenLogprobsSync,
} from './kernels/token-logprobs.ts';
