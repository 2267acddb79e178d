// One sequence of the policy loss: its sums, and its tokens' gradients.
#pragma once

#include <cmath>

#include "cpu/implementation.h"
#include "cpu/policy_loss.h"

namespace lapidary {

struct Span {
  int64_t begin, end, row_end;  // tokens, and the padding up to row_end
};

inline Span span_of(const lap_policy_loss_args& args, int64_t i) {
  if (args.cu_seqlens != nullptr) {
    return {args.cu_seqlens[i], args.cu_seqlens[i + 1], args.cu_seqlens[i + 1]};
  }
  const int64_t begin = i * args.row_stride;
  const int64_t length = args.lengths == nullptr ? args.row_stride : args.lengths[i];
  return {begin, begin + length, begin + args.row_stride};
}

inline bool is_kept(const lap_policy_loss_args& args, int64_t t) {
  return args.mask == nullptr || args.mask[t] != 0;
}

// Where it is not, the fields of the ratio mean nothing and are not checked.
inline bool is_ratio_gate(const lap_objective& objective) {
  return objective.gate != LAP_GATE_UNIT && objective.gate != LAP_GATE_NONE;
}

// What the sequence term gives one sequence.
struct Pull {
  double slope;   // to each kept token, before the scale
  double scaled;  // the same with it (of a pair: the chosen sequence's)
  double value;   // scaled
};

lap_sequence_stats reduce_sequence(const Implementation& implementation, const lap_policy_loss_args& args,
                                   int64_t i);
// S as the sequence term takes it: the sum, or the mean over kept tokens.
double drift_of(const lap_objective& objective, const lap_sequence_stats& stats);
// Of a term of single sequences.
Pull pull_of(const lap_policy_loss_args& args, int64_t i);
// Writes g and adds to the diagnostics, which begin at 0.
void map_sequence(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
                  const Pull& pull, double* diagnostics);

}  // namespace lapidary
