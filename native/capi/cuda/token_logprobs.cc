#include "cuda/token_logprobs.h"

#include "capi/cuda/context.h"
#include "capi/token_logprobs_checks.h"

using namespace lapidary;

lap_status lap_cuda_token_logprobs(lap_cuda_context* ctx, const lap_token_logprobs_args* args) {
  return cuda::launch_checked(ctx, args, check_token_logprobs, cuda::token_logprobs);
}
lap_status lap_cuda_token_logprobs_backward(lap_cuda_context* ctx,
                                            const lap_token_logprobs_backward_args* args) {
  return cuda::launch_checked(ctx, args, check_token_logprobs, cuda::token_logprobs_backward);
}
lap_status lap_cuda_token_logprobs_with_gradient(lap_cuda_context* ctx,
                                                 const lap_token_logprobs_with_gradient_args* args) {
  return cuda::launch_checked(ctx, args, check_token_logprobs, cuda::token_logprobs_with_gradient);
}
