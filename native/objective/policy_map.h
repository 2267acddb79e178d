// Phase two of the policy loss, one token in double: every objective. A backend walks the tokens and adds up.
#pragma once

#include "objective/policy_batch.h"
#include "objective/terms.h"

namespace lapidary {

LAP_HD double larger(double a, double b) { return a < b ? b : a; }

struct Token {
  int64_t t;
  double logp, advantage, weight;
};

// What a gate gives one token: sequence ratios hand their part of the slope to all tokens.
struct Push {
  double value, slope, to_sequence;
};

// What all tokens of a sequence have in common.
struct SequenceMap {
  const float *ratio_anchor, *mask_anchor;
  double kept, advantage, quality;
  double ratio, importance;  // log-ratio and log-weight of the sequence
  bool gated, through_sequence;
};

LAP_HD double mean_or_sum(double sum, lap_level level, double kept) {
  return level == LAP_LEVEL_SEQUENCE_SUM ? sum : sum / at_least_one(kept);
}

LAP_HD SequenceMap sequence_map(const lap_policy_loss_args& args, int64_t i,
                                const lap_sequence_stats& stats) {
  const lap_objective& objective = args.objective;
  SequenceMap map;
  map.ratio_anchor = anchor_logp(args, objective.ratio_anchor);
  map.mask_anchor = anchor_logp(args, objective.mask_anchor);
  map.kept = stats.kept;
  map.advantage = args.advantages[i];
  map.quality = objective.gate == LAP_GATE_NFT ? args.nft_quality[i] : 0;
  map.ratio = mean_or_sum(stats.ratio_sum, objective.ratio_level, stats.kept);
  map.importance = mean_or_sum(stats.importance_sum, objective.importance_level, stats.kept);
  const bool masked = objective.sequence_mask > 0 && map.advantage < 0 &&
                      stats.behaviour_sum > objective.sequence_mask * at_least_one(stats.kept);
  map.gated = objective.gate != LAP_GATE_NONE && !masked;
  map.through_sequence =
      is_ratio_gate(objective) && objective.ratio_level != LAP_LEVEL_TOKEN && !objective.through_token;
  return map;
}

LAP_HD Token token_of(const lap_policy_loss_args& args, const SequenceMap& map, int64_t t) {
  return {t, args.logp[t], args.token_advantages == nullptr ? map.advantage : args.token_advantages[t],
          args.token_weights == nullptr ? 1.0 : args.token_weights[t]};
}

LAP_HD double importance_of(const lap_policy_loss_args& args, const SequenceMap& map, int64_t t) {
  const lap_objective& objective = args.objective;
  if (objective.importance == LAP_IMPORTANCE_NONE) return 1;
  const double own = importance_part(args, t);
  const bool of_token = objective.importance_level == LAP_LEVEL_TOKEN;
  const double weight = exp(cut_log_ratio(of_token ? own : map.importance));
  const double low = objective.importance_low, high = objective.importance_high;
  if (weight >= low && weight <= high) {
    return objective.importance_outside == LAP_OUTSIDE_DROP_OWN ? exp(cut_log_ratio(own)) : weight;
  }
  if (objective.importance_outside != LAP_OUTSIDE_CUT) return 0;
  return weight < low ? low : high;
}

// The slope of the sequence's log-ratio by one of its tokens.
LAP_HD double ratio_slope(const lap_policy_loss_args& args, const SequenceMap& map, const Token& token) {
  const lap_objective& objective = args.objective;
  if (objective.ratio_level == LAP_LEVEL_SEQUENCE_SUM) return 1;
  if (objective.ratio_level == LAP_LEVEL_GEOMETRIC) {
    const double r = token.logp - static_cast<double>(map.ratio_anchor[token.t]);
    if (cut_log_ratio_of(objective, r, map.advantage) != r) return 0;
  }
  return 1 / at_least_one(map.kept);
}

LAP_HD void count_term(const lap_objective& objective, const PolicyTerm<double>& term, double advantage,
                       double c, double* diagnostics) {
  const bool dual =
      objective.gate == LAP_GATE_CLIP_SURROGATE && surrogate_bounds<double>(objective, advantage).dual;
  diagnostics[LAP_DIAG_CLIPPED] += term.stopped;
  diagnostics[LAP_DIAG_RATIO_OVERFLOW] += term.overflow;
  diagnostics[LAP_DIAG_CLIPPED_LOW] += term.below;
  diagnostics[LAP_DIAG_CLIPPED_DUAL] += dual && term.above;
  diagnostics[LAP_DIAG_CLIPPED_HIGH] += !dual && term.above;
  diagnostics[LAP_DIAG_RATIO_TOKENS] += term.ratio > 0;
  diagnostics[LAP_DIAG_RATIO_SUM] += term.ratio;
  diagnostics[LAP_DIAG_RATIO_MAX] = larger(diagnostics[LAP_DIAG_RATIO_MAX], term.ratio);
  if (objective.importance == LAP_IMPORTANCE_NONE) return;
  diagnostics[LAP_DIAG_IMPORTANCE_SUM] += c;
  diagnostics[LAP_DIAG_IMPORTANCE_SQUARES] += c * c;
  diagnostics[LAP_DIAG_IMPORTANCE_MAX] = larger(diagnostics[LAP_DIAG_IMPORTANCE_MAX], c);
}

// `diagnostics` null: not counted.
LAP_HD Push push_of(const lap_policy_loss_args& args, const SequenceMap& map, const Token& token,
                    double* diagnostics) {
  const lap_objective& objective = args.objective;
  if (!map.gated || token.advantage * token.weight == 0) return {0, 0, 0};
  if (objective.token_mask != LAP_MASK_NONE &&
      !inside_token_mask(objective, token.logp, map.mask_anchor[token.t], token.advantage)) {
    if (diagnostics != nullptr) diagnostics[LAP_DIAG_CLIPPED] += 1;
    return {0, 0, 0};
  }
  double r = map.ratio;
  if (objective.ratio_level == LAP_LEVEL_TOKEN) {
    r = map.ratio_anchor == nullptr ? 0 : token.logp - static_cast<double>(map.ratio_anchor[token.t]);
  }
  const PolicyTerm<double> term = policy_term<double>(objective, token.logp, r, token.advantage, map.quality);
  const double c = importance_of(args, map, token.t), factor = token.weight * c;
  if (diagnostics != nullptr) count_term(objective, term, token.advantage, c, diagnostics);
  return {factor * term.value, factor * (term.by_logp + (map.through_sequence ? 0 : term.by_ratio)),
          map.through_sequence ? factor * term.by_ratio : 0};
}

// Where nothing but the sequence enters to_sequence, so that all kept tokens have the same: what each has.
LAP_HD bool has_one_push(const lap_policy_loss_args& args) {
  return args.token_weights == nullptr && args.token_advantages == nullptr &&
         args.objective.token_mask == LAP_MASK_NONE && args.objective.importance == LAP_IMPORTANCE_NONE;
}
LAP_HD double shared_push(const lap_policy_loss_args& args, const SequenceMap& map) {
  return push_of(args, map, {0, 0, map.advantage, 1}, nullptr).to_sequence;
}

LAP_HD KlTerm<double> kl_of(const lap_policy_loss_args& args, int64_t t, double* diagnostics) {
  const lap_objective& objective = args.objective;
  if (objective.kl == LAP_KL_NONE) return {};
  const double delta = log_difference(args.logp, anchor_logp(args, objective.kl_anchor), t);
  const float* over =
      objective.kl_gradient < LAP_KL_RATIO ? nullptr : anchor_logp(args, objective.kl_ratio_anchor);
  const KlTerm<double> term =
      kl_term<double>(objective, delta, over == nullptr ? 0.0 : log_difference(args.logp, over, t));
  diagnostics[LAP_DIAG_KL_K1_SUM] += delta;
  diagnostics[LAP_DIAG_KL_VALUES] += term.estimator;
  const double coefficient = objective.kl_coefficient;
  return {coefficient * term.value, coefficient * term.slope, term.estimator};
}

LAP_HD void count_class(const Token& token, double* diagnostics) {
  if (token.advantage > 0) {
    diagnostics[LAP_DIAG_POSITIVE_TOKENS] += 1;
    diagnostics[LAP_DIAG_POSITIVE_LOGP] += token.logp;
  } else if (token.advantage < 0 && token.weight == 1) {
    diagnostics[LAP_DIAG_PENALISED_TOKENS] += 1;
    diagnostics[LAP_DIAG_PENALISED_LOGP] += token.logp;
  } else if (token.advantage < 0) {
    diagnostics[LAP_DIAG_RELIEVED_TOKENS] += 1;
    diagnostics[LAP_DIAG_RELIEVED_LOGP] += token.logp;
  }
}

LAP_HD void count_gradient(const Token& token, double push, double scale, const Pull& pull, float g,
                           double* diagnostics) {
  diagnostics[LAP_DIAG_TOKENS] += 1;
  diagnostics[LAP_DIAG_PUSH_ABS] += fabs(push);
  diagnostics[LAP_DIAG_PULL_ABS] += fabs(pull.slope);
  const double scaled = scale * push;
  diagnostics[LAP_DIAG_CONSTRAINT_REVERSED] += fabs(pull.scaled) > fabs(scaled) && pull.scaled * scaled < 0;
  diagnostics[LAP_DIAG_NON_FINITE] += !isfinite(g);
  diagnostics[LAP_DIAG_GRAD_ABS_MAX] =
      larger(diagnostics[LAP_DIAG_GRAD_ABS_MAX], fabs(static_cast<double>(g)));
  count_class(token, diagnostics);
}

// One kept token: g, and its part of the policy and KL losses before the scale. `shared` is the sum of
// to_sequence.
LAP_HD float map_token(const lap_policy_loss_args& args, const SequenceMap& map, int64_t t, double scale,
                       double shared, const Pull& pull, double* policy, double* divergence,
                       double* diagnostics) {
  const Token token = token_of(args, map, t);
  const Push push = push_of(args, map, token, diagnostics);
  const KlTerm<double> kl = kl_of(args, t, diagnostics);
  const double slope = push.slope + (shared == 0 ? 0 : shared * ratio_slope(args, map, token));
  *policy += push.value;
  *divergence += kl.value;
  const float g = static_cast<float>(scale * (slope + kl.slope) + pull.scaled);
  count_gradient(token, slope, scale, pull, g, diagnostics);
  return g;
}

// Of the sequence as a whole, once its tokens are mapped; adds to the diagnostics, whose policy and KL losses
// are its own and scaled.
LAP_HD void count_sequence(const lap_objective& objective, const lap_sequence_stats& stats, double advantage,
                           const Pull& pull, double* diagnostics) {
  diagnostics[LAP_DIAG_SEQUENCE_LOSS] += pull.value;
  if (stats.kept == 0) return;
  const double s = drift_of(objective, stats);
  diagnostics[LAP_DIAG_SEQUENCES] += 1;
  diagnostics[LAP_DIAG_S_SUM] += s;
  diagnostics[LAP_DIAG_S_SQUARES] += s * s;
  diagnostics[LAP_DIAG_S_MAX_ABS] = larger(diagnostics[LAP_DIAG_S_MAX_ABS], fabs(s));
  if (advantage > 0) {
    diagnostics[LAP_DIAG_POSITIVE_SEQUENCES] += 1;
    diagnostics[LAP_DIAG_POSITIVE_S_SUM] += s;
    diagnostics[LAP_DIAG_POSITIVE_S_SQUARES] += s * s;
    diagnostics[LAP_DIAG_POSITIVE_S_MAX_ABS] = larger(diagnostics[LAP_DIAG_POSITIVE_S_MAX_ABS], fabs(s));
  } else if (advantage < 0) {
    diagnostics[LAP_DIAG_NEGATIVE_SEQUENCES] += 1;
    diagnostics[LAP_DIAG_NEGATIVE_S_SUM] += s;
    diagnostics[LAP_DIAG_NEGATIVE_S_SQUARES] += s * s;
    diagnostics[LAP_DIAG_NEGATIVE_S_MAX_ABS] = larger(diagnostics[LAP_DIAG_NEGATIVE_S_MAX_ABS], fabs(s));
  }
}

// Diagnostics that are extrema, not sums.
LAP_HD bool is_extremum(int diagnostic) {
  return diagnostic == LAP_DIAG_S_MAX_ABS || diagnostic == LAP_DIAG_GRAD_ABS_MAX ||
         diagnostic == LAP_DIAG_RATIO_MAX || diagnostic == LAP_DIAG_IMPORTANCE_MAX ||
         diagnostic == LAP_DIAG_POSITIVE_S_MAX_ABS || diagnostic == LAP_DIAG_NEGATIVE_S_MAX_ABS;
}
LAP_HD void merge_diagnostic(double* into, double part, int diagnostic) {
  *into = is_extremum(diagnostic) ? larger(*into, part) : *into + part;
}

// Objectives whose tokens are mapped in f32 where speed counts: the common ones, which lose nothing by it.
LAP_HD bool has_float_form(const lap_policy_loss_args& args) {
  const lap_objective& objective = args.objective;
  const bool of_tokens =
      objective.ratio_level == LAP_LEVEL_TOKEN &&
      (objective.gate == LAP_GATE_CLIP_SURROGATE || objective.gate == LAP_GATE_CLIP_WEIGHT);
  const bool gate = of_tokens || !is_ratio_gate(objective);
  const bool kl =
      objective.kl == LAP_KL_NONE || (objective.kl <= LAP_KL_K3 && objective.kl_gradient == LAP_KL_OWN &&
                                      objective.kl_input_bound == 0 && objective.kl_output_bound == 0);
  return gate && kl && objective.importance == LAP_IMPORTANCE_NONE && objective.token_mask == LAP_MASK_NONE &&
         objective.sequence_mask == 0 && args.token_advantages == nullptr;
}

}  // namespace lapidary
