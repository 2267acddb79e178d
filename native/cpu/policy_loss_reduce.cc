// Phase one of the policy loss: the sums over a sequence. Log-ratios are subtracted per token and then summed
// in f64: a difference of sums would lose S to cancellation.
#include "cpu/policy_loss_sequence.h"

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
  if (needs_ratio_sum(objective)) {
    const double advantage = args.advantages == nullptr ? 0 : args.advantages[i];
    stats.ratio_sum = sum_kept(args, span, [&](int64_t t) { return ratio_part(args, t, advantage); });
  }
  if (needs_importance_sum(objective))
    stats.importance_sum = sum_kept(args, span, [&](int64_t t) { return importance_part(args, t); });
  if (objective.sequence_mask > 0)
    stats.behaviour_sum = sum_kept(args, span, [&](int64_t t) { return behaviour_part(args, t); });
  return stats;
}

}  // namespace lapidary
