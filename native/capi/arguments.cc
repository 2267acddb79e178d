#include "capi/arguments.h"

#include <cmath>
#include <string>

#include "core/checked.h"
#include "cpu/policy_loss.h"

namespace lapidary {
namespace {

using std::to_string;

Status not_null(const void* pointer, const char* name) {
  if (pointer != nullptr) return ok_status();
  return invalid(std::string(name) + " is NULL; expected a buffer");
}

Status in_range(int64_t value, int64_t low, const char* name) {
  if (value >= low) return ok_status();
  return invalid(std::string(name) + " is " + to_string(value) + "; expected " + to_string(low) + " or more");
}

Status check_matrix(const void* data, int64_t rows, int64_t columns, int64_t stride, const char* name) {
  if (rows > 0) LAP_TRY(not_null(data, name));
  if (stride < columns) {
    return invalid(std::string(name) + " has a row stride of " + to_string(stride) + "; expected " +
                   to_string(columns) + " or more, in elements");
  }
  if (!extent_fits(rows, stride))
    return invalid(std::string(name) + " addresses more elements than 64 bits allow");
  return ok_status();
}

Status check_struct(size_t given, size_t expected, const char* name) {
  if (given == expected) return ok_status();
  return invalid("struct_size of " + std::string(name) + " is " + to_string(given) +
                 "; this library expects " + to_string(expected));
}

Status check_targets(const int32_t* targets, int64_t rows, int64_t vocab, int32_t ignore_index) {
  if (rows > 0) LAP_TRY(not_null(targets, "targets"));
  for (int64_t t = 0; t < rows; ++t) {
    if (targets[t] == ignore_index || (targets[t] >= 0 && targets[t] < vocab)) continue;
    return invalid("targets[" + to_string(t) + "] is " + to_string(targets[t]) + "; expected 0 to " +
                   to_string(vocab - 1) + ", or ignore_index " + to_string(ignore_index));
  }
  return ok_status();
}

// What the four log-prob operations share.
template <class Args>
Status check_rows(const Args& args, bool with_targets) {
  LAP_TRY(in_range(args.rows, 0, "rows"));
  LAP_TRY(in_range(args.vocab, 1, "vocab"));
  if (args.vocab > INT32_MAX)
    return invalid("vocab is " + to_string(args.vocab) + "; expected less than 2^31");
  if (args.dtype != LAP_F32 && args.dtype != LAP_BF16) {
    return invalid("dtype is " + to_string(args.dtype) + "; expected LAP_F32 or LAP_BF16");
  }
  // The kernels multiply by the reciprocal, which overflows for the smallest denormals.
  if (!(args.temperature > 0) || !std::isfinite(args.temperature) || !std::isfinite(1.f / args.temperature)) {
    return invalid("temperature is " + to_string(args.temperature) +
                   "; expected a positive finite number with a finite reciprocal");
  }
  if (args.ignore_index >= 0) {
    return invalid("ignore_index is " + to_string(args.ignore_index) + "; expected a negative number");
  }
  return with_targets ? check_targets(args.targets, args.rows, args.vocab, args.ignore_index) : ok_status();
}

template <class Args>
Status check_linear(const Args& args, bool sizes_only) {
  LAP_TRY(check_rows(args, !sizes_only));
  LAP_TRY(in_range(args.width, 1, "width"));
  if (sizes_only) return ok_status();
  LAP_TRY(check_matrix(args.hidden, args.rows, args.width, args.hidden_stride, "hidden"));
  LAP_TRY(check_matrix(args.weight, args.vocab, args.width, args.weight_stride, "weight"));
  return not_null(args.workspace, "workspace");
}

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

}  // namespace

Status check(const lap_token_logprobs_args* args) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_token_logprobs_args"));
  LAP_TRY(check_rows(*args, true));
  LAP_TRY(check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits"));
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  return not_null(args->lse, "lse");
}

Status check(const lap_token_logprobs_backward_args* args) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_token_logprobs_backward_args"));
  LAP_TRY(check_rows(*args, true));
  LAP_TRY(check_matrix(args->logits, args->rows, args->vocab, args->row_stride, "logits"));
  LAP_TRY(check_matrix(args->dlogits, args->rows, args->vocab, args->dlogits_stride, "dlogits"));
  if (args->dlogits == args->logits && args->dlogits_stride != args->row_stride) {
    return invalid(
        "dlogits is the buffer of logits with another row stride; expected the same stride in place");
  }
  if (args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  LAP_TRY(not_null(args->lse, "lse"));
  return not_null(args->dlogp, "dlogp");
}

Status check(const lap_linear_logprobs_args* args, bool sizes_only) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_linear_logprobs_args"));
  LAP_TRY(check_linear(*args, sizes_only));
  if (sizes_only || args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  return not_null(args->lse, "lse");
}

Status check(const lap_linear_logprobs_backward_args* args, bool sizes_only) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, "lap_linear_logprobs_backward_args"));
  LAP_TRY(check_linear(*args, sizes_only));
  if (sizes_only || args->rows == 0) return ok_status();
  LAP_TRY(not_null(args->logp, "logp"));
  LAP_TRY(not_null(args->lse, "lse"));
  return not_null(args->dlogp, "dlogp");
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
  LAP_TRY(not_null(args->diagnostics, "diagnostics"));
  return not_null(args->workspace, "workspace");
}

}  // namespace lapidary
