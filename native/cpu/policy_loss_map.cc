// Phase two of the policy loss, one sequence, in double: every objective that no vector form covers.
#include <algorithm>

#include "cpu/policy_loss_sequence.h"
#include "objective/sequence_term.h"
#include "objective/terms.h"

namespace lapidary {
namespace {

struct Token {
  int64_t t;
  double logp, advantage, weight;
};

// What a gate gives one token: sequence ratios hand their part of the slope to all tokens.
struct Push {
  double value = 0, slope = 0, to_sequence = 0;
};

struct SequenceMap {
  const lap_policy_loss_args& args;
  const lap_objective& objective;
  const lap_sequence_stats& stats;
  const float *ratio_anchor, *mask_anchor;
  double advantage, quality;
  bool gated;
  double ratio = 0, importance = 0;  // log-ratio and log-weight of the sequence

  double mean_or_sum(double sum, lap_level level) const {
    return level == LAP_LEVEL_SEQUENCE_SUM ? sum : sum / std::max(stats.kept, 1.0);
  }

  SequenceMap(const lap_policy_loss_args& given, int64_t i)
      : args(given),
        objective(given.objective),
        stats(given.stats[i]),
        ratio_anchor(anchor_logp(given, objective.ratio_anchor)),
        mask_anchor(anchor_logp(given, objective.mask_anchor)),
        advantage(given.advantages[i]),
        quality(given.nft_quality == nullptr ? 0 : given.nft_quality[i]) {
    gated = objective.gate != LAP_GATE_NONE &&
            !(objective.sequence_mask > 0 && advantage < 0 &&
              stats.behaviour_sum > objective.sequence_mask * std::max(stats.kept, 1.0));
    ratio = mean_or_sum(stats.ratio_sum, objective.ratio_level);
    importance = mean_or_sum(stats.importance_sum, objective.importance_level);
  }

  Token token(int64_t t) const {
    return {t, args.logp[t], args.token_advantages == nullptr ? advantage : args.token_advantages[t],
            args.token_weights == nullptr ? 1.0 : args.token_weights[t]};
  }

  double importance_of(int64_t t) const {
    if (objective.importance == LAP_IMPORTANCE_NONE) return 1;
    const double top = objective.importance == LAP_IMPORTANCE_OLD ? args.old_logp[t] : args.logp[t];
    const double own = top - static_cast<double>(args.behaviour_logp[t]);
    const bool of_token = objective.importance_level == LAP_LEVEL_TOKEN;
    const double weight = exp(cut_log_ratio(of_token ? own : importance));
    const double low = objective.importance_low, high = objective.importance_high;
    if (weight >= low && weight <= high) {
      return objective.importance_outside == LAP_OUTSIDE_DROP_OWN ? exp(cut_log_ratio(own)) : weight;
    }
    if (objective.importance_outside != LAP_OUTSIDE_CUT) return 0;
    return weight < low ? low : high;
  }

  bool is_inside(const Token& token) const {
    if (objective.token_mask == LAP_MASK_NONE) return true;
    return inside_token_mask(objective, token.logp, mask_anchor[token.t], token.advantage);
  }

  bool runs_through_sequence() const {
    return is_ratio_gate(objective) && objective.ratio_level != LAP_LEVEL_TOKEN && !objective.through_token;
  }

  // The slope of the sequence's log-ratio by one of its tokens.
  double ratio_slope(const Token& token) const {
    if (objective.ratio_level == LAP_LEVEL_SEQUENCE_SUM) return 1;
    if (objective.ratio_level == LAP_LEVEL_GEOMETRIC) {
      const double r = token.logp - static_cast<double>(ratio_anchor[token.t]);
      if (cut_log_ratio_of(objective, r, advantage) != r) return 0;
    }
    return 1 / std::max(stats.kept, 1.0);
  }

  Push push(const Token& token, double* diagnostics) const {
    if (!gated || token.advantage * token.weight == 0) return {};
    if (!is_inside(token)) {
      if (diagnostics != nullptr) diagnostics[LAP_DIAG_CLIPPED] += 1;
      return {};
    }
    double r = ratio;
    if (objective.ratio_level == LAP_LEVEL_TOKEN) {
      r = ratio_anchor == nullptr ? 0 : token.logp - static_cast<double>(ratio_anchor[token.t]);
    }
    const PolicyTerm<double> term = policy_term<double>(objective, token.logp, r, token.advantage, quality);
    const double c = importance_of(token.t), factor = token.weight * c;
    if (diagnostics != nullptr) count(term, token.advantage, c, diagnostics);
    const bool through = runs_through_sequence();
    return {factor * term.value, factor * (term.by_logp + (through ? 0 : term.by_ratio)),
            through ? factor * term.by_ratio : 0};
  }

  void count(const PolicyTerm<double>& term, double advantage_of_token, double c, double* diagnostics) const {
    const bool dual = objective.gate == LAP_GATE_CLIP_SURROGATE &&
                      surrogate_bounds<double>(objective, advantage_of_token).dual;
    diagnostics[LAP_DIAG_CLIPPED] += term.stopped;
    diagnostics[LAP_DIAG_RATIO_OVERFLOW] += term.overflow;
    diagnostics[LAP_DIAG_CLIPPED_LOW] += term.below;
    diagnostics[dual ? LAP_DIAG_CLIPPED_DUAL : LAP_DIAG_CLIPPED_HIGH] += term.above;
    diagnostics[LAP_DIAG_RATIO_TOKENS] += term.ratio > 0;
    diagnostics[LAP_DIAG_RATIO_SUM] += term.ratio;
    diagnostics[LAP_DIAG_RATIO_MAX] = std::max(diagnostics[LAP_DIAG_RATIO_MAX], term.ratio);
    if (objective.importance == LAP_IMPORTANCE_NONE) return;
    diagnostics[LAP_DIAG_IMPORTANCE_SUM] += c;
    diagnostics[LAP_DIAG_IMPORTANCE_SQUARES] += c * c;
    diagnostics[LAP_DIAG_IMPORTANCE_MAX] = std::max(diagnostics[LAP_DIAG_IMPORTANCE_MAX], c);
  }
};

KlTerm<double> kl_of(const lap_policy_loss_args& args, int64_t t, double* diagnostics) {
  const lap_objective& objective = args.objective;
  if (objective.kl == LAP_KL_NONE) return {};
  const double logp = args.logp[t];
  const double delta = logp - static_cast<double>(anchor_logp(args, objective.kl_anchor)[t]);
  const float* over = anchor_logp(args, objective.kl_ratio_anchor);
  const KlTerm<double> term =
      kl_term<double>(objective, delta, over == nullptr ? 0.0 : logp - static_cast<double>(over[t]));
  diagnostics[LAP_DIAG_KL_K1_SUM] += delta;
  diagnostics[LAP_DIAG_KL_VALUES] += term.estimator;
  const double coefficient = objective.kl_coefficient;
  return {coefficient * term.value, coefficient * term.slope, term.estimator};
}

void count_class(const Token& token, double* diagnostics) {
  int base;
  if (token.advantage > 0) {
    base = LAP_DIAG_POSITIVE_TOKENS;
  } else if (token.advantage < 0) {
    base = token.weight == 1 ? LAP_DIAG_PENALISED_TOKENS : LAP_DIAG_RELIEVED_TOKENS;
  } else {
    return;
  }
  diagnostics[base] += 1;
  diagnostics[base + 1] += token.logp;
}

void count_gradient(const Token& token, double push, double scale, const Pull& pull, float g,
                    double* diagnostics) {
  diagnostics[LAP_DIAG_TOKENS] += 1;
  diagnostics[LAP_DIAG_PUSH_ABS] += std::fabs(push);
  diagnostics[LAP_DIAG_PULL_ABS] += std::fabs(pull.slope);
  const double scaled = scale * push;
  diagnostics[LAP_DIAG_CONSTRAINT_REVERSED] +=
      std::fabs(pull.scaled) > std::fabs(scaled) && pull.scaled * scaled < 0;
  diagnostics[LAP_DIAG_NON_FINITE] += !std::isfinite(g);
  diagnostics[LAP_DIAG_GRAD_ABS_MAX] =
      std::max(diagnostics[LAP_DIAG_GRAD_ABS_MAX], std::fabs(static_cast<double>(g)));
  count_class(token, diagnostics);
}

// Every objective, a token at a time.
void map_tokens(const lap_policy_loss_args& args, int64_t i, const Pull& pull, double* diagnostics) {
  const SequenceMap map(args, i);
  const Span span = span_of(args, i);
  const double scale = args.seq_scale[i];
  double shared = 0, policy = 0, divergence = 0;
  if (map.runs_through_sequence()) {
    for (int64_t t = span.begin; t < span.end; ++t) {
      if (is_kept(args, t)) shared += map.push(map.token(t), nullptr).to_sequence;
    }
  }
  for (int64_t t = span.begin; t < span.end; ++t) {
    if (!is_kept(args, t)) {
      args.dlogp[t] = 0.f;
      continue;
    }
    const Token token = map.token(t);
    const Push push = map.push(token, diagnostics);
    const KlTerm<double> kl = kl_of(args, t, diagnostics);
    const double slope = push.slope + (shared == 0 ? 0 : shared * map.ratio_slope(token));
    policy += push.value;
    divergence += kl.value;
    args.dlogp[t] = static_cast<float>(scale * (slope + kl.slope) + pull.scaled);
    count_gradient(token, slope, scale, pull, args.dlogp[t], diagnostics);
  }
  diagnostics[LAP_DIAG_POLICY_LOSS] = scale * policy;
  diagnostics[LAP_DIAG_KL_LOSS] = scale * divergence;
}

// Those of LossRow.
bool has_row_form(const lap_policy_loss_args& args) {
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

void map_vectors(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
                 const Pull& pull, double* diagnostics) {
  const lap_objective& objective = args.objective;
  const Span span = span_of(args, i);
  const auto from = [&](const float* data) { return data == nullptr ? nullptr : data + span.begin; };
  const LossRow row{&objective,
                    span.end - span.begin,
                    from(args.logp),
                    from(anchor_logp(args, objective.ratio_anchor)),
                    from(anchor_logp(args, objective.kl_anchor)),
                    from(args.token_weights),
                    args.mask == nullptr ? nullptr : args.mask + span.begin,
                    args.advantages[i],
                    args.seq_scale[i],
                    static_cast<float>(pull.scaled),
                    args.dlogp + span.begin};
  implementation.loss_row(row, diagnostics);
  const double scale = args.seq_scale[i];
  diagnostics[LAP_DIAG_POLICY_LOSS] *= scale;
  diagnostics[LAP_DIAG_KL_LOSS] *= scale;
  diagnostics[LAP_DIAG_PULL_ABS] = std::fabs(pull.slope) * diagnostics[LAP_DIAG_TOKENS];
}

}  // namespace

void map_sequence(const Implementation& implementation, const lap_policy_loss_args& args, int64_t i,
                  const Pull& pull, double* diagnostics) {
  if (has_row_form(args)) {
    map_vectors(implementation, args, i, pull, diagnostics);
  } else {
    map_tokens(args, i, pull, diagnostics);
  }
}

}  // namespace lapidary
