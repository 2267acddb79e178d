// Phase one of the policy loss: the sums over a sequence. Log-ratios are subtracted per token and then summed
// in f64: a difference of sums would lose S to cancellation.
#include <algorithm>

#include "cpu/policy_loss_sequence.h"
#include "objective/sequence_term.h"

namespace lapidary {
namespace {

template <class Value>
double sum_kept(const lap_policy_loss_args& args, const Span& span, Value value) {
  double sum = 0;
  for (int64_t t = span.begin; t < span.end; ++t) {
    if (is_kept(args, t)) sum += value(t);
  }
  return sum;
}

double difference(const float* a, const float* b, int64_t t) {
  return b == nullptr ? static_cast<double>(a[t]) : static_cast<double>(a[t]) - static_cast<double>(b[t]);
}

// A log-ratio of GMPO, cut on the side that A pushes to; a cut one has no gradient.
double ratio_sum(const lap_policy_loss_args& args, const Span& span, double advantage) {
  const lap_objective& objective = args.objective;
  const float* anchor = anchor_logp(args, objective.ratio_anchor);
  if (objective.ratio_level == LAP_LEVEL_TOKEN || anchor == nullptr) return 0;
  const bool geometric = objective.ratio_level == LAP_LEVEL_GEOMETRIC;
  return sum_kept(args, span, [&](int64_t t) {
    const double r = difference(args.logp, anchor, t);
    return geometric ? cut_log_ratio_of(objective, r, advantage) : r;
  });
}

}  // namespace

lap_sequence_stats reduce_sequence(const Implementation& implementation, const lap_policy_loss_args& args,
                                   int64_t i) {
  const lap_objective& objective = args.objective;
  const Span span = span_of(args, i);
  lap_sequence_stats stats{};
  if (objective.sequence_term != LAP_SEQUENCE_NONE) {
    const float* anchor = anchor_logp(args, objective.sequence_anchor);
    implementation.sum_log_ratios(args.logp + span.begin, anchor == nullptr ? nullptr : anchor + span.begin,
                                  args.mask == nullptr ? nullptr : args.mask + span.begin,
                                  span.end - span.begin, &stats.kept, &stats.log_ratio_sum);
  } else if (args.mask == nullptr) {
    stats.kept = static_cast<double>(span.end - span.begin);
  } else {
    stats.kept = sum_kept(args, span, [](int64_t) { return 1.0; });
  }
  if (is_ratio_gate(objective)) {
    stats.ratio_sum = ratio_sum(args, span, args.advantages == nullptr ? 0 : args.advantages[i]);
  }
  if (objective.importance != LAP_IMPORTANCE_NONE && objective.importance_level != LAP_LEVEL_TOKEN) {
    const float* top = objective.importance == LAP_IMPORTANCE_OLD ? args.old_logp : args.logp;
    stats.importance_sum =
        sum_kept(args, span, [&](int64_t t) { return difference(top, args.behaviour_logp, t); });
  }
  if (objective.sequence_mask > 0) {
    stats.behaviour_sum =
        sum_kept(args, span, [&](int64_t t) { return difference(args.behaviour_logp, args.logp, t); });
  }
  return stats;
}

double drift_of(const lap_objective& objective, const lap_sequence_stats& stats) {
  return objective.sequence_mean ? stats.log_ratio_sum / std::max(stats.kept, 1.0) : stats.log_ratio_sum;
}

Pull pull_of(const lap_policy_loss_args& args, int64_t i) {
  const lap_objective& objective = args.objective;
  const lap_sequence_stats& stats = args.stats[i];
  if (objective.sequence_term == LAP_SEQUENCE_NONE || stats.kept == 0) return {};
  const double scale = args.seq_scale[i];
  SequenceValue term = sequence_term(objective, drift_of(objective, stats), args.advantages[i] > 0);
  if (objective.sequence_mean) term.slope /= stats.kept;
  return {term.slope, scale * term.slope, scale * term.value};
}

}  // namespace lapidary
