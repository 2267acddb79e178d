// The sequence terms: value and derivative with respect to S = sum_t m_t (logp_t - anchor_t), which is also
// the derivative with respect to each kept logp_t, before the factor N_i.
#pragma once

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary {

struct SequenceValue {
  double value;
  double slope;
};

// (tau / 2) S^2: the behaviour constraint of BCPG (arXiv 2505.14403) and of policy mirror descent (arXiv
// 2501.12599).
LAP_HD SequenceValue square_term(double s, double tau) { return {0.5 * tau * s * s, tau * s}; }

LAP_HD SequenceValue sequence_term(const lap_objective& objective, double s) {
  if (objective.sequence_term == LAP_SEQUENCE_SQUARE) return square_term(s, objective.tau);
  return {0, 0};
}

}  // namespace lapidary
