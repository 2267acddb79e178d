// Vocabulary-parallel log-probs on a CUDA device. All pointers of the arguments are device pointers; the work
// is put on `stream` and nothing waits for it.
#pragma once

#include <cuda_runtime.h>

#include "lapidary.h"

namespace lapidary::cuda {

cudaError_t vocab_shard_stats(const lap_vocab_shard_stats_args& args, cudaStream_t stream);
cudaError_t vocab_shard_merge(const lap_vocab_shard_merge_args& args, cudaStream_t stream);
cudaError_t vocab_shard_backward(const lap_vocab_shard_backward_args& args, cudaStream_t stream);

}  // namespace lapidary::cuda
