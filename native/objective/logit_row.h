// What a row of logits is and what is known of it; shared by the backends.
#pragma once

#include <cstdint>

#include "lapidary.h"

namespace lapidary {

// A row of logits and how they become z (lap_logit_transform).
struct LogitRow {
  const void* data;
  lap_dtype dtype;
  float temperature, softcap;
};

// Statistics of a set of z relative to their maximum; sets merge exactly in a fixed order.
struct LogitStats {
  double max;         // -inf for the empty set
  double sum;         // sum exp(z - max)
  double weighted;    // sum exp(z - max) * (z - max)
  int64_t top_block;  // the first element of a run that holds the maximum (CPU: of kLogitBlock); -1: none
};
constexpr int64_t kLogitBlock = 2048;

// The gradient of slope * logp + entropy_slope * entropy, the target's share of it aside:
// -p_v (slope + entropy_slope * log p_v) d z_v / d logit_v, log p_v = z_v - lse. `slope` is the caller's
// dlogp + dentropy * entropy. lse comes times the temperature, as the sum of two floats.
struct LogitGradient {
  float lse_high, lse_low;
  float slope, entropy_slope;
};

}  // namespace lapidary
