#include "cuda/divergence.h"

#include "capi/cuda/context.h"
#include "capi/divergence_checks.h"

using namespace lapidary;

namespace {

template <class Args>
lap_status launch_checked(lap_cuda_context* ctx, const Args* args,
                          cudaError_t (*launch)(const Args&, cudaStream_t)) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(check_divergence(args, false));
    return cuda::as_status(launch(*args, ctx->stream), "launching a kernel");
  });
}

}  // namespace

lap_status lap_cuda_divergence(lap_cuda_context* ctx, const lap_divergence_args* args) {
  return launch_checked(ctx, args, cuda::divergence);
}
lap_status lap_cuda_divergence_with_gradient(lap_cuda_context* ctx,
                                             const lap_divergence_with_gradient_args* args) {
  return launch_checked(ctx, args, cuda::divergence_with_gradient);
}
