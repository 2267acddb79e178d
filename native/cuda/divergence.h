// Divergences of two rows of logits on a CUDA device, and their gradient to the student. All pointers of the
// arguments are device pointers; the work is put on `stream` and nothing waits for it.
#pragma once

#include <cuda_runtime.h>

#include "lapidary.h"

namespace lapidary::cuda {

cudaError_t divergence(const lap_divergence_args& args, cudaStream_t stream);
cudaError_t divergence_with_gradient(const lap_divergence_with_gradient_args& args, cudaStream_t stream);

}  // namespace lapidary::cuda
