// The policy loss on a CUDA device. All pointers of the arguments are device pointers; the work is put on
// `stream` and nothing waits for it. What the offsets, lengths, pairs and nft_quality hold cannot be looked
// at from here: where it is nothing that the CPU would take, all of the batch gets NaN.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include "lapidary.h"

namespace lapidary::cuda {

// By the counts and the layout alone, whatever the objective.
size_t policy_loss_workspace(const lap_policy_loss_args& args);
cudaError_t policy_loss_reduce(const lap_policy_loss_args& args, cudaStream_t stream);
cudaError_t policy_loss_map(const lap_policy_loss_args& args, cudaStream_t stream);
cudaError_t policy_loss(const lap_policy_loss_args& args, cudaStream_t stream);

}  // namespace lapidary::cuda
