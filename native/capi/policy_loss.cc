#include "cpu/policy_loss.h"

#include <string>

#include "capi/checks.h"
#include "capi/guarded.h"
#include "capi/policy_loss_checks.h"
#include "objective/sequence_term.h"

namespace lapidary {
namespace {

enum class LossPhase { kSizes, kReduce, kMap, kBoth };

Status check_quality(const lap_policy_loss_args& args) {
  if (args.sequences > 0) LAP_TRY(not_null(args.nft_quality, "nft_quality"));
  for (int64_t i = 0; i < args.sequences; ++i) {
    if (args.nft_quality[i] >= 0 && args.nft_quality[i] < 1) continue;
    return invalid("nft_quality[" + std::to_string(i) + "] is " + std::to_string(args.nft_quality[i]) +
                   "; expected 0 or more and less than 1");
  }
  return ok_status();
}

Status check(const lap_policy_loss_args* args, LossPhase phase) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_policy_loss_args"));
  LAP_TRY(in_range(args->tokens, 0, "tokens"));
  LAP_TRY(in_range(args->sequences, 0, "sequences"));
  if (phase == LossPhase::kSizes) return ok_status();
  LAP_TRY(check_objective(*args));
  LAP_TRY(check_layout(*args));
  if (args->tokens > 0) LAP_TRY(not_null(args->logp, "logp"));
  if (args->sequences > 0) LAP_TRY(not_null(args->stats, "stats"));
  if (phase == LossPhase::kReduce) return ok_status();
  if (args->sequences > 0) {
    LAP_TRY(not_null(args->advantages, "advantages"));
    LAP_TRY(not_null(args->seq_scale, "seq_scale"));
  }
  if (args->tokens > 0) LAP_TRY(not_null(args->dlogp, "dlogp"));
  if (is_pair_term(args->objective.sequence_term)) LAP_TRY(check_pairs(*args));
  if (args->objective.gate == LAP_GATE_NFT) LAP_TRY(check_quality(*args));
  return not_null(args->diagnostics, "diagnostics");
}

Status run_policy_loss(lap_context* ctx, const lap_policy_loss_args* args, LossPhase phase) {
  LAP_TRY(check(args, phase));
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
    LAP_TRY(check(args, LossPhase::kSizes));
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
