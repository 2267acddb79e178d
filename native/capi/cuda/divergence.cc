#include "cuda/divergence.h"

#include "capi/cuda/context.h"
#include "capi/divergence_checks.h"

using namespace lapidary;

lap_status lap_cuda_divergence(lap_cuda_context* ctx, const lap_divergence_args* args) {
  return cuda::launch_checked(ctx, args, check_divergence, cuda::divergence);
}
lap_status lap_cuda_divergence_with_gradient(lap_cuda_context* ctx,
                                             const lap_divergence_with_gradient_args* args) {
  return cuda::launch_checked(ctx, args, check_divergence, cuda::divergence_with_gradient);
}
