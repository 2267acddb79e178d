#pragma once

#include <cuda_runtime.h>

#include "lapidary.h"

namespace lapidary::cuda {

// The divergences that read both rows once, where a device's shared memory can hold them. `launched`: false
// where these cannot, or would gain nothing, which depends on the kind, the rows' length and types and the
// device alone.
cudaError_t divergence_staged(const lap_divergence_args& args, cudaStream_t stream, bool* launched);
cudaError_t divergence_with_gradient_staged(const lap_divergence_with_gradient_args& args,
                                            cudaStream_t stream, bool* launched);

}  // namespace lapidary::cuda
