// The terms in double, for every case that no vector form covers.
#pragma once

#include <cmath>

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary {

LAP_HD double select(bool condition, double a, double b) { return condition ? a : b; }
LAP_HD double exponential(double x) { return exp(x); }
LAP_HD double logarithm(double x) { return log(x); }

struct ExpParts {
  double exp, minus_one, minus_linear;
};
LAP_HD ExpParts exp_parts(double x) {
  const double minus_one = expm1(x);
  // Below 1e-3 the difference would lose what the first terms of its series keep.
  const bool small = fabs(x) < 1e-3;
  return {minus_one + 1, minus_one, small ? x * x * (0.5 + x * (1. / 6 + x / 24)) : minus_one - x};
}

#include "objective/kl_term.inc"
#include "objective/policy_term.inc"

}  // namespace lapidary
