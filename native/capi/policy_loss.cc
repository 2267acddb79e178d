#include "cpu/policy_loss.h"

#include <cmath>
#include <string>

#include "capi/checks.h"
#include "capi/guarded.h"

namespace lapidary {
namespace {

using std::to_string;

enum class LossPhase { kSizes, kReduce, kMap, kBoth };

Status check_anchor(const lap_policy_loss_args& args, lap_anchor anchor, const char* field) {
  static const char* const kNames[] = {"none", "old_logp", "behaviour_logp", "ref_logp"};
  if (anchor < LAP_ANCHOR_OLD || anchor > LAP_ANCHOR_REF) {
    return invalid(std::string("objective.") + field + " is " + to_string(anchor) +
                   "; expected old, behaviour or ref");
  }
  if (args.tokens > 0 && anchor_logp(args, anchor) == nullptr) {
    return invalid(std::string(kNames[anchor]) + " is NULL, but objective." + field + " names it");
  }
  return ok_status();
}

Status check_objective(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  LAP_TRY(check_struct(objective.struct_size, sizeof(lap_objective), "lap_objective"));
  if (objective.gate == LAP_GATE_CLIP_SURROGATE) {
    if (!(objective.clip_low >= 0 && objective.clip_low <= 1)) {
      return invalid("objective.clip_low is " + to_string(objective.clip_low) + "; expected 0 to 1");
    }
    if (!(objective.clip_high >= 0)) {
      return invalid("objective.clip_high is " + to_string(objective.clip_high) + "; expected 0 or more");
    }
    LAP_TRY(check_anchor(args, objective.ratio_anchor, "ratio_anchor"));
  } else if (objective.gate != LAP_GATE_UNIT) {
    return invalid("objective.gate is " + to_string(objective.gate) + "; expected a lap_gate");
  }
  if (objective.sequence_term == LAP_SEQUENCE_NONE) return ok_status();
  if (objective.sequence_term != LAP_SEQUENCE_SQUARE) {
    return invalid("objective.sequence_term is " + to_string(objective.sequence_term) +
                   "; expected a lap_sequence_term");
  }
  if (!(objective.tau >= 0) || !std::isfinite(objective.tau)) {
    return invalid("objective.tau is " + to_string(objective.tau) + "; expected 0 or more");
  }
  return check_anchor(args, objective.sequence_anchor, "sequence_anchor");
}

Status check_offsets(const lap_policy_loss_args& args) {
  LAP_TRY(not_null(args.cu_seqlens, "cu_seqlens"));
  if (args.cu_seqlens[0] != 0)
    return invalid("cu_seqlens[0] is " + to_string(args.cu_seqlens[0]) + "; expected 0");
  for (int64_t i = 0; i < args.sequences; ++i) {
    if (args.cu_seqlens[i + 1] >= args.cu_seqlens[i]) continue;
    return invalid("cu_seqlens[" + to_string(i + 1) + "] is " + to_string(args.cu_seqlens[i + 1]) +
                   ", less than the entry before it; expected offsets that do not decrease");
  }
  if (args.cu_seqlens[args.sequences] != args.tokens) {
    return invalid("cu_seqlens[" + to_string(args.sequences) + "] is " +
                   to_string(args.cu_seqlens[args.sequences]) + "; expected the token count " +
                   to_string(args.tokens));
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
  LAP_TRY(check_offsets(*args));
  if (args->tokens > 0) LAP_TRY(not_null(args->logp, "logp"));
  if (args->sequences > 0) LAP_TRY(not_null(args->stats, "stats"));
  if (phase == LossPhase::kReduce) return ok_status();
  if (args->sequences > 0) {
    LAP_TRY(not_null(args->advantages, "advantages"));
    LAP_TRY(not_null(args->seq_scale, "seq_scale"));
  }
  if (args->tokens > 0) LAP_TRY(not_null(args->dlogp, "dlogp"));
  return not_null(args->diagnostics, "diagnostics");
}

Status run_policy_loss(lap_context* ctx, const lap_policy_loss_args* args, LossPhase phase) {
  LAP_TRY(check(args, phase));
  if (phase != LossPhase::kReduce) {
    LAP_TRY(check_workspace(args->workspace, args->workspace_bytes, policy_loss_workspace(*args)));
  }
  if (phase != LossPhase::kMap) LAP_TRY(policy_loss_reduce(ctx->pool, *args));
  if (phase != LossPhase::kReduce) LAP_TRY(policy_loss_map(ctx->pool, *args));
  return ok_status();
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
