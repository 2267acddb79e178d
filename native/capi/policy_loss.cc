#include "cpu/policy_loss.h"

#include "capi/guarded.h"
#include "capi/policy_loss_checks.h"

namespace lapidary {
namespace {

Status run_policy_loss(lap_context* ctx, const lap_policy_loss_args* args, LossPhase phase) {
  LAP_TRY(check_policy_loss(args, phase, true));
  if (phase != LossPhase::kReduce) {
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes, policy_loss_workspace(*args)));
  }
  switch (phase) {
    case LossPhase::kReduce:
      return policy_loss_reduce(ctx->pool, *ctx->cpu, *args);
    case LossPhase::kMap:
      return policy_loss_map(ctx->pool, *ctx->cpu, *args);
    default:
      return policy_loss(ctx->pool, *ctx->cpu, *args);
  }
}

}  // namespace
}  // namespace lapidary

using namespace lapidary;

lap_status lap_policy_loss_workspace(lap_context* ctx, const lap_policy_loss_args* args, size_t* bytes) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_policy_loss(args, LossPhase::kSizes, true));
    *bytes = policy_loss_workspace(*args);
    return ok_status();
  });
}

lap_status lap_policy_loss_reduce(lap_context* ctx, const lap_policy_loss_args* args) {
  return guarded(ctx, [&] { return run_policy_loss(ctx, args, LossPhase::kReduce); });
}

lap_status lap_policy_loss_map(lap_context* ctx, const lap_policy_loss_args* args) {
  return guarded(ctx, [&] { return run_policy_loss(ctx, args, LossPhase::kMap); });
}

lap_status lap_policy_loss(lap_context* ctx, const lap_policy_loss_args* args) {
  return guarded(ctx, [&] { return run_policy_loss(ctx, args, LossPhase::kBoth); });
}
