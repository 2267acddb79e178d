// The per-token policy terms: value and derivative with respect to logp, before the factor N_i. Compiled by
// every backend. Sources: REINFORCE family and NSA weights arXiv 2505.14403; clipped surrogate arXiv
// 1707.06347.
#pragma once

#include <cmath>

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary {

struct TermValue {
  double value;
  double slope;  // d value / d logp
  bool clipped;  // the gate stopped the gradient
  bool overflow;
};

// -w A logp, the log-linear family: REINFORCE, RFT (A = 1[right]), BCPG, and BCPG-NSA through w.
LAP_HD TermValue unit_term(double logp, double weighted_advantage) {
  return {-weighted_advantage * logp, -weighted_advantage, false, false};
}

// -w min(rho A, clip(rho, 1 - low, 1 + high) A) with rho = exp(logp - anchor).
LAP_HD TermValue clip_surrogate_term(double logp, double anchor, double advantage, double weight, double low,
                                     double high) {
  const double log_ratio = logp - anchor;
  const double bound = 20;  // e^20 is far outside any trust region, and finite
  const bool overflow = log_ratio > bound || log_ratio < -bound;
  const double ratio = exp(overflow ? (log_ratio > 0 ? bound : -bound) : log_ratio);
  const bool clipped = advantage > 0 ? ratio > 1 + high : ratio < 1 - low;
  if (clipped) {
    const double edge = advantage > 0 ? 1 + high : 1 - low;
    return {-weight * edge * advantage, 0, true, overflow};
  }
  const double surrogate = -weight * ratio * advantage;
  // Beyond the bound the value is constant, so its slope is 0.
  return {surrogate, overflow ? 0 : surrogate, false, overflow};
}

// One token under an objective. A = 0 (or w = 0) gives exactly 0 whatever the log-probs hold.
LAP_HD TermValue policy_term(const lap_objective& objective, double logp, double anchor, double advantage,
                             double weight) {
  if (advantage * weight == 0) return {0, 0, false, false};
  if (objective.gate == LAP_GATE_CLIP_SURROGATE) {
    return clip_surrogate_term(logp, anchor, advantage, weight, objective.clip_low, objective.clip_high);
  }
  return unit_term(logp, advantage * weight);
}

}  // namespace lapidary
