#pragma once

#include <cuda_runtime.h>

#include "lapidary.h"

namespace lapidary::cuda {

// The forward with its gradient that reads a row once, for rows that a device's shared memory can hold.
// `launched`: false where this one cannot, which depends on the row's length, its type and the device alone.
cudaError_t token_logprobs_with_gradient_staged(const lap_token_logprobs_with_gradient_args& args,
                                                cudaStream_t stream, bool* launched);

}  // namespace lapidary::cuda
