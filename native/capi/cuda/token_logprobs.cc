#include "cuda/token_logprobs.h"

#include "capi/cuda/context.h"
#include "capi/token_logprobs_checks.h"

using namespace lapidary;

namespace {

template <class Args>
lap_status launch_checked(lap_cuda_context* ctx, const Args* args,
                          cudaError_t (*launch)(const Args&, cudaStream_t)) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(check_token_logprobs(args, false));
    return cuda::as_status(launch(*args, ctx->stream), "launching a kernel");
  });
}

}  // namespace

lap_status lap_cuda_token_logprobs(lap_cuda_context* ctx, const lap_token_logprobs_args* args) {
  return launch_checked(ctx, args, cuda::token_logprobs);
}
lap_status lap_cuda_token_logprobs_backward(lap_cuda_context* ctx,
                                            const lap_token_logprobs_backward_args* args) {
  return launch_checked(ctx, args, cuda::token_logprobs_backward);
}
lap_status lap_cuda_token_logprobs_with_gradient(lap_cuda_context* ctx,
                                                 const lap_token_logprobs_with_gradient_args* args) {
  return launch_checked(ctx, args, cuda::token_logprobs_with_gradient);
}
