// The sequence terms: value and derivative with respect to S (or to D = S_w - S_l of a pair), before N_i.
#pragma once

#include <math.h>

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary {

struct SequenceValue {
  double value;
  double slope;
};

// log(1 + e^x) and sigmoid(x) without overflow.
LAP_HD double softplus(double x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }
LAP_HD double sigmoid(double x) {
  const double e = exp(-fabs(x));
  return x >= 0 ? 1 / (1 + e) : e / (1 + e);
}

// A token's log-ratio in GMPO's mean (arXiv 2507.20673): cut on the side that A pushes to, without gradient
// there.
LAP_HD double cut_log_ratio_of(const lap_objective& objective, double r, double advantage) {
  if (advantage > 0) return r > objective.geometric_high ? objective.geometric_high : r;
  return r < -objective.geometric_low ? -objective.geometric_low : r;
}

// (tau / 2) S^2: the behaviour constraint of BCPG (arXiv 2505.14403) and of policy mirror descent (arXiv
// 2501.12599).
LAP_HD SequenceValue square_term(double s, double tau) { return {0.5 * tau * s * s, tau * s}; }

// KTO (arXiv 2402.01306): weight (1 - sigmoid(x)), x = +-beta (S - z0).
LAP_HD SequenceValue kto_term(const lap_objective& objective, double s, bool desirable) {
  const double sign = desirable ? 1 : -1;
  const double weight = desirable ? objective.kto_desirable : objective.kto_undesirable;
  const double x = sign * objective.tau * (s - objective.kto_z0);
  return {weight * sigmoid(-x), -sign * weight * objective.tau * sigmoid(x) * sigmoid(-x)};
}

// One sequence; `preferred` is A > 0. NPO: arXiv 2404.05868; SPPO-hard: arXiv 2405.00675.
LAP_HD SequenceValue sequence_term(const lap_objective& objective, double s, bool preferred) {
  const double beta = objective.tau;
  switch (objective.sequence_term) {
    case LAP_SEQUENCE_SQUARE:
      return square_term(s, objective.tau);
    case LAP_SEQUENCE_KTO:
      return kto_term(objective, s, preferred);
    case LAP_SEQUENCE_NPO:
      return {2 / beta * softplus(beta * s), 2 * sigmoid(beta * s)};
    case LAP_SEQUENCE_SPPO: {
      const double gap = s - (preferred ? 0.5 : -0.5) / beta;
      return {gap * gap, 2 * gap};
    }
    default:
      return {0, 0};
  }
}

LAP_HD bool is_pair_term(lap_sequence_term term) {
  return term == LAP_SEQUENCE_LOGISTIC_PAIR || term == LAP_SEQUENCE_SQUARE_PAIR ||
         term == LAP_SEQUENCE_HINGE_PAIR;
}

// A pair's term and its derivative with respect to D. DPO arXiv 2305.18290, SimPO 2405.14734, IPO 2310.12036.
LAP_HD SequenceValue pair_term(const lap_objective& objective, double d) {
  const double beta = objective.tau;
  switch (objective.sequence_term) {
    case LAP_SEQUENCE_LOGISTIC_PAIR: {
      const double z = beta * d - objective.margin, e = objective.smoothing;
      return {(1 - e) * softplus(-z) + e * softplus(z), -beta * ((1 - e) * sigmoid(-z) - e * sigmoid(z))};
    }
    case LAP_SEQUENCE_SQUARE_PAIR: {
      const double gap = d - 0.5 / beta;
      return {gap * gap, 2 * gap};
    }
    case LAP_SEQUENCE_HINGE_PAIR: {
      const double gap = 1 - beta * d;
      return gap > 0 ? SequenceValue{gap, -beta} : SequenceValue{0, 0};
    }
    default:
      return {0, 0};
  }
}

}  // namespace lapidary
