// The terms in double, for every case that no vector form covers.
#pragma once

#include <math.h>

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary {

LAP_HD double select(bool condition, double a, double b) { return condition ? a : b; }
LAP_HD double limited(double x, double low, double high) { return x < low ? low : x > high ? high : x; }
LAP_HD double magnitude(double x) { return fabs(x); }
LAP_HD double exponential(double x) { return exp(x); }
LAP_HD double logarithm(double x) { return log(x); }

struct ExpParts {
  double minus_one, minus_linear;
};
LAP_HD ExpParts exp_parts(double x) {
  const double minus_one = expm1(x);
  // Below 1e-3 the difference would lose what the first terms of its series keep.
  const bool small = fabs(x) < 1e-3;
  return {minus_one, small ? x * x * (0.5 + x * (1. / 6 + x / 24)) : minus_one - x};
}

#define LAP_TERM LAP_HD
#include "objective/policy_term.inc"
// After it: the KL terms cut a ratio as the gates do.
#include "objective/kl_term.inc"
#undef LAP_TERM

// DPPO's and one- and two-sided masks: does the token keep its gate?
LAP_HD bool inside_token_mask(const lap_objective& objective, double logp, double anchor, double advantage) {
  const double low = objective.mask_low, high = objective.mask_high;
  const double p = exp(logp), q = exp(anchor);
  switch (objective.token_mask) {
    case LAP_MASK_ONE_SIDE: {
      const double rho = exponential(cut_log_ratio(logp - anchor));
      return advantage > 0 ? rho <= high : rho >= low;
    }
    case LAP_MASK_TWO_SIDE: {
      const double rho = exponential(cut_log_ratio(logp - anchor));
      return rho >= low && rho <= high;
    }
    case LAP_MASK_TV:
      return advantage > 0 ? p - q <= high : p - q >= -low;
    case LAP_MASK_BINARY_KL: {
      const double rest = q < 1 ? (1 - q) * log((1 - q) / (1 - p)) : 0;
      const double divergence = q * (anchor - logp) + rest;
      return advantage > 0 ? !(p > q) || divergence <= high : !(p < q) || divergence <= low;
    }
    default:
      return true;
  }
}

}  // namespace lapidary
