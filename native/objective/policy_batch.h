// A batch of the policy loss: where its sequences lie, the log-probs that an anchor names, what one token
// adds to the sums of its sequence, and what a sequence term gives back to it.
#pragma once

#include "core/numerics.h"
#include "lapidary.h"
#include "objective/sequence_term.h"

namespace lapidary {

struct Span {
  int64_t begin, end, row_end;  // tokens, and the padding up to row_end
};

LAP_HD Span span_of(const lap_policy_loss_args& args, int64_t i) {
  if (args.cu_seqlens != nullptr) {
    return {args.cu_seqlens[i], args.cu_seqlens[i + 1], args.cu_seqlens[i + 1]};
  }
  const int64_t begin = i * args.row_stride;
  const int64_t length = args.lengths == nullptr ? args.row_stride : args.lengths[i];
  return {begin, begin + length, begin + args.row_stride};
}

LAP_HD bool is_kept(const lap_policy_loss_args& args, int64_t t) {
  return args.mask == nullptr || args.mask[t] != 0;
}

// The log-probs an anchor names, or null.
LAP_HD const float* anchor_logp(const lap_policy_loss_args& args, lap_anchor anchor) {
  switch (anchor) {
    case LAP_ANCHOR_OLD:
      return args.old_logp;
    case LAP_ANCHOR_BEHAVIOUR:
      return args.behaviour_logp;
    case LAP_ANCHOR_REF:
      return args.ref_logp;
    default:
      return nullptr;
  }
}

// Where it is not, the fields of the ratio mean nothing and are not checked.
LAP_HD bool is_ratio_gate(const lap_objective& objective) {
  return objective.gate != LAP_GATE_UNIT && objective.gate != LAP_GATE_NONE;
}

LAP_HD double log_difference(const float* a, const float* b, int64_t t) {
  return b == nullptr ? static_cast<double>(a[t]) : static_cast<double>(a[t]) - static_cast<double>(b[t]);
}

// Which sums of lap_sequence_stats the objective needs beside `kept`.
LAP_HD bool needs_ratio_sum(const lap_objective& objective) {
  return is_ratio_gate(objective) && objective.ratio_level != LAP_LEVEL_TOKEN &&
         objective.ratio_anchor != LAP_ANCHOR_NONE;
}
LAP_HD bool needs_importance_sum(const lap_objective& objective) {
  return objective.importance != LAP_IMPORTANCE_NONE && objective.importance_level != LAP_LEVEL_TOKEN;
}

// What a kept token adds to each.
LAP_HD double log_ratio_of(const lap_policy_loss_args& args, int64_t t) {
  return log_difference(args.logp, anchor_logp(args, args.objective.sequence_anchor), t);
}
// A log-ratio of GMPO, cut on the side that A pushes to; a cut one has no gradient.
LAP_HD double ratio_part(const lap_policy_loss_args& args, int64_t t, double advantage) {
  const lap_objective& objective = args.objective;
  const double r = log_difference(args.logp, anchor_logp(args, objective.ratio_anchor), t);
  return objective.ratio_level == LAP_LEVEL_GEOMETRIC ? cut_log_ratio_of(objective, r, advantage) : r;
}
LAP_HD double importance_part(const lap_policy_loss_args& args, int64_t t) {
  const float* top = args.objective.importance == LAP_IMPORTANCE_OLD ? args.old_logp : args.logp;
  return log_difference(top, args.behaviour_logp, t);
}
LAP_HD double behaviour_part(const lap_policy_loss_args& args, int64_t t) {
  return log_difference(args.behaviour_logp, args.logp, t);
}

LAP_HD double at_least_one(double kept) { return kept > 1 ? kept : 1; }

// S as the sequence term takes it: the sum, or the mean over kept tokens.
LAP_HD double drift_of(const lap_objective& objective, const lap_sequence_stats& stats) {
  return objective.sequence_mean ? stats.log_ratio_sum / at_least_one(stats.kept) : stats.log_ratio_sum;
}

// What the sequence term gives one sequence.
struct Pull {
  double slope;   // to each kept token, before the scale
  double scaled;  // the same with it (of a pair: the chosen sequence's)
  double value;   // scaled
};

// Of a term of single sequences.
LAP_HD Pull pull_of(const lap_objective& objective, const lap_sequence_stats& stats, double scale,
                    double advantage) {
  if (objective.sequence_term == LAP_SEQUENCE_NONE || stats.kept == 0) return {0, 0, 0};
  SequenceValue term = sequence_term(objective, drift_of(objective, stats), advantage > 0);
  if (objective.sequence_mean) term.slope /= stats.kept;
  return {term.slope, scale * term.slope, scale * term.value};
}

// What a pair gives its two sequences, and itself as the diagnostics see it.
struct PairPull {
  Pull chosen, rejected;
  double up, down;  // S of each
  bool counts;      // false without a kept token on both sides: nothing
};
LAP_HD PairPull pair_pull(const lap_objective& objective, const lap_sequence_stats& of_chosen,
                          const lap_sequence_stats& of_rejected, double scale) {
  if (of_chosen.kept == 0 || of_rejected.kept == 0) return {{0, 0, 0}, {0, 0, 0}, 0, 0, false};
  const double up = drift_of(objective, of_chosen), down = drift_of(objective, of_rejected);
  const SequenceValue term = pair_term(objective, up - down);
  const double up_slope = objective.sequence_mean ? term.slope / of_chosen.kept : term.slope;
  const double down_slope = objective.sequence_mean ? -term.slope / of_rejected.kept : -term.slope;
  return {
      {up_slope, scale * up_slope, scale * term.value}, {down_slope, scale * down_slope, 0}, up, down, true};
}
LAP_HD void add_pull(Pull* into, const Pull& part) {
  into->slope += part.slope;
  into->scaled += part.scaled;
  into->value += part.value;
}
LAP_HD void count_pair(const lap_objective& objective, const PairPull& pair, double* diagnostics) {
  diagnostics[LAP_DIAG_PAIRS] += 1;
  diagnostics[LAP_DIAG_CHOSEN_REWARDS] += objective.tau * pair.up;
  diagnostics[LAP_DIAG_REJECTED_REWARDS] += objective.tau * pair.down;
  diagnostics[LAP_DIAG_PAIRS_RIGHT] += pair.up > pair.down;
}

}  // namespace lapidary
