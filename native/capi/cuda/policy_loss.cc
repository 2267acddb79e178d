#include "cuda/policy_loss.h"

#include "capi/cuda/context.h"
#include "capi/policy_loss_checks.h"

using namespace lapidary;

namespace {

// Sizes of the workspace are counted in 64 bits; no device holds as many.
Status below_2_40(int64_t value, const char* name) {
  if (value < int64_t{1} << 40) return ok_status();
  return invalid(std::string(name) + " is " + std::to_string(value) + "; expected less than 2^40");
}

Status check_on_device(const lap_policy_loss_args* args, LossPhase phase) {
  LAP_TRY(check_policy_loss(args, phase, false));
  LAP_TRY(below_2_40(args->tokens, "tokens"));
  LAP_TRY(below_2_40(args->sequences, "sequences"));
  if (args->pairs == nullptr) return ok_status();
  LAP_TRY(in_range(args->pair_count, 0, "pair_count"));
  return below_2_40(args->pair_count, "pair_count");
}

lap_status launch_checked(lap_cuda_context* ctx, const lap_policy_loss_args* args, LossPhase phase,
                          cudaError_t (*launch)(const lap_policy_loss_args&, cudaStream_t)) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(check_on_device(args, phase));
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes, cuda::policy_loss_workspace(*args)));
    return cuda::as_status(launch(*args, ctx->stream), "launching a kernel");
  });
}

}  // namespace

lap_status lap_cuda_policy_loss_workspace(lap_cuda_context* ctx, const lap_policy_loss_args* args,
                                          size_t* bytes) {
  return cuda::guarded(ctx, [&]() -> Status {
    LAP_TRY(check_on_device(args, LossPhase::kSizes));
    LAP_TRY(not_null(bytes, "bytes"));
    *bytes = cuda::policy_loss_workspace(*args);
    return ok_status();
  });
}
lap_status lap_cuda_policy_loss_reduce(lap_cuda_context* ctx, const lap_policy_loss_args* args) {
  return launch_checked(ctx, args, LossPhase::kReduce, cuda::policy_loss_reduce);
}
lap_status lap_cuda_policy_loss_map(lap_cuda_context* ctx, const lap_policy_loss_args* args) {
  return launch_checked(ctx, args, LossPhase::kMap, cuda::policy_loss_map);
}
lap_status lap_cuda_policy_loss(lap_cuda_context* ctx, const lap_policy_loss_args* args) {
  return launch_checked(ctx, args, LossPhase::kBoth, cuda::policy_loss);
}
