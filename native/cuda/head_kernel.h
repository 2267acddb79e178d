// The seam for kernels that compute statistics of logits without writing logits (a matrix product with the
// reduction as its epilogue). The head is given to such a kernel first; where it declines, the block goes
// through a matrix product and a pass over its result.
#pragma once

#include <cuda_runtime.h>

#include "core/status.h"

namespace lapidary::cuda {

struct HeadBlock;

// Puts the work for `block` on `stream` and sets `taken`, or leaves it unset where this device, shape, type
// or alignment is not for it. What it does with a shape must not depend on `rows`.
Status head_statistics(const HeadBlock& block, cudaStream_t stream, bool* taken);

}  // namespace lapidary::cuda
