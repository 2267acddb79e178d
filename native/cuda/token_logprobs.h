// The token log-probs on a CUDA device. All pointers of the arguments are device pointers; the work is put on
// `stream` and nothing waits for it. Targets cannot be looked at from here: a row whose target is neither
// ignore_index nor in [0, V) gets NaN in all its floats and -1 as top1.
#pragma once

#include <cuda_runtime.h>

#include "lapidary.h"

namespace lapidary::cuda {

cudaError_t token_logprobs(const lap_token_logprobs_args& args, cudaStream_t stream);
cudaError_t token_logprobs_backward(const lap_token_logprobs_backward_args& args, cudaStream_t stream);
cudaError_t token_logprobs_with_gradient(const lap_token_logprobs_with_gradient_args& args,
                                         cudaStream_t stream);

}  // namespace lapidary::cuda
