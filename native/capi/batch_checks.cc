// Checks of where the sequences of a batch lie, and which are pairs.
#include <string>

#include "capi/checks.h"
#include "capi/policy_loss_checks.h"

namespace lapidary {
namespace {

using std::to_string;

Status check_offsets(const lap_policy_loss_args& args, bool contents) {
  LAP_TRY(not_null(args.cu_seqlens, "cu_seqlens"));
  if (!contents) return ok_status();
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

Status check_padded(const lap_policy_loss_args& args, bool contents) {
  if (args.row_stride <= 0) {
    return invalid("cu_seqlens is NULL and row_stride is " + to_string(args.row_stride) +
                   "; expected offsets, or rows of at least one token");
  }
  if (args.tokens / args.row_stride != args.sequences || args.tokens % args.row_stride != 0) {
    return invalid("tokens is " + to_string(args.tokens) + "; expected " + to_string(args.sequences) +
                   " rows of row_stride " + to_string(args.row_stride));
  }
  if (args.lengths == nullptr || !contents) return ok_status();
  for (int64_t i = 0; i < args.sequences; ++i) {
    if (args.lengths[i] >= 0 && args.lengths[i] <= args.row_stride) continue;
    return invalid("lengths[" + to_string(i) + "] is " + to_string(args.lengths[i]) +
                   "; expected 0 to row_stride " + to_string(args.row_stride));
  }
  return ok_status();
}

}  // namespace

Status check_layout(const lap_policy_loss_args& args, bool contents) {
  return args.cu_seqlens == nullptr && (args.row_stride != 0 || args.lengths != nullptr)
             ? check_padded(args, contents)
             : check_offsets(args, contents);
}

Status check_pairs(const lap_policy_loss_args& args, bool contents) {
  if (args.pairs == nullptr) {
    if (args.sequences % 2 == 0) return ok_status();
    return invalid("sequences is " + to_string(args.sequences) +
                   "; expected an even number, since the objective is of pairs and pairs is NULL");
  }
  LAP_TRY(in_range(args.pair_count, 0, "pair_count"));
  for (int64_t k = 0; contents && k < 2 * args.pair_count; ++k) {
    if (args.pairs[k] < 0 || args.pairs[k] >= args.sequences) {
      return invalid("pairs[" + to_string(k) + "] is " + to_string(args.pairs[k]) +
                     "; expected an index of one of " + to_string(args.sequences) + " sequences");
    }
    if (k % 2 == 0 || args.pairs[k] != args.pairs[k - 1]) continue;
    return invalid("pairs[" + to_string(k) + "] is " + to_string(args.pairs[k]) +
                   " like the entry before it; expected two sequences");
  }
  return ok_status();
}

}  // namespace lapidary
