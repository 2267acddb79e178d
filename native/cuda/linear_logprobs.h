// The linear log-probs on a CUDA device: what rows and columns go through together, and the two passes. All
// pointers of the arguments are device pointers; the work is put on `stream` and nothing waits for it.
//
// Ignored rows, and in a backward without `kept` rows of weight 0, are left out by bringing the others
// together. How many there are is known on the device only: kernels of our own stop there, cuBLASLt
// multiplies zeros for the rest, so with it ignored rows cost their share of the matrix products. A caller
// who knows them does better to leave them out.
#pragma once

#include "cuda/gemm.h"
#include "cuda/head_block.h"
#include "cuda/linear_rows.h"
#include "lapidary.h"

namespace lapidary::cuda {

size_t linear_logprobs_workspace(const Gemm& gemm, const lap_linear_logprobs_args& args);
// `kernel` is given blocks first; what it declines goes through `gemm`.
Status linear_logprobs(Gemm& gemm, HeadKernel kernel, const lap_linear_logprobs_args& args,
                       cudaStream_t stream);
size_t linear_logprobs_backward_workspace(const Gemm& gemm, const lap_linear_logprobs_backward_args& args);
// Rewrites `kept` in place, to what a further backward of the same forward reads just as well.
Status linear_logprobs_backward(Gemm& gemm, const lap_linear_logprobs_backward_args& args,
                                cudaStream_t stream);
// Bytes of `kept`; false where 64 bits do not count them.
bool linear_kept_bytes(int64_t rows, int64_t vocab, lap_dtype dtype, size_t* bytes);

}  // namespace lapidary::cuda
