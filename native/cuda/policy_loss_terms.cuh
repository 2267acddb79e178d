// The terms of native/objective in f32, for the map of the common objectives.
#pragma once

#include <math.h>

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary::cuda::single {

LAP_HD float select(bool condition, float a, float b) { return condition ? a : b; }
LAP_HD float limited(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
LAP_HD float magnitude(float x) { return fabsf(x); }
LAP_HD float exponential(float x) { return expf(x); }
LAP_HD float logarithm(float x) { return logf(x); }

struct ExpParts {
  float minus_one, minus_linear;
};
LAP_HD ExpParts exp_parts(float x) {
  const float minus_one = expm1f(x);
  // The difference loses digits where x is small; there the series has all of them.
  float p = 1.f / 40320;
  p = fmaf(p, x, 1.f / 5040);
  p = fmaf(p, x, 1.f / 720);
  p = fmaf(p, x, 1.f / 120);
  p = fmaf(p, x, 1.f / 24);
  p = fmaf(p, x, 1.f / 6);
  p = fmaf(p, x, 0.5f);
  return {minus_one, fabsf(x) < 0.5f ? x * x * p : minus_one - x};
}

#define LAP_TERM LAP_HD
#include "objective/policy_term.inc"
// After it: the KL terms cut a ratio as the gates do.
#include "objective/kl_term.inc"
#undef LAP_TERM

}  // namespace lapidary::cuda::single
