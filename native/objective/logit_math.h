// From the statistics of a row of logits to its log-prob, lse and entropy, and the gradient's constants;
// shared by the log-prob operations of all backends.
#pragma once

#include <math.h>

#include "core/numerics.h"
#include "objective/logit_row.h"

namespace lapidary {

struct RowResult {
  float logp, lse, entropy;
  double fine_lse;
};

// The transform of row `t`.
LAP_HD LogitRow logit_row(const void* data, lap_dtype dtype, const lap_logit_transform& transform,
                          int64_t t) {
  const float* each = transform.temperatures;
  return {data, dtype, each == nullptr ? transform.temperature : each[t], transform.softcap};
}

// One capped logit, in f64: z is this over the temperature.
LAP_HD double capped(const LogitRow& row, double logit) {
  // -inf marks an entry that is not there, and stays.
  const bool plain = row.softcap == 0 || logit == -HUGE_VAL;
  return plain ? logit : row.softcap * tanh(logit / row.softcap);
}
LAP_HD double cap_slope(const LogitRow& row, double capped_logit) {
  if (row.softcap == 0 || isinf(capped_logit)) return 1;
  const double share = capped_logit / row.softcap;
  return (1 - share) * (1 + share);
}

// Merges a later part of the row into an earlier one.
LAP_HD void merge(LogitStats* into, const LogitStats& part) {
  if (part.sum == 0 && part.max == -HUGE_VAL)
    return;  // empty, or all -inf; +inf leaves sum = 0 too, and counts
  const bool is_higher = part.max > into->max;
  const LogitStats high = is_higher ? part : *into, low = is_higher ? *into : part;
  const double gap = low.max - high.max;  // <= 0; -inf where `into` was empty
  const double factor = exp(gap);
  into->max = high.max;
  into->top_block = high.top_block;
  into->sum = high.sum + factor * low.sum;
  into->weighted = high.weighted + (factor == 0 ? 0 : factor * (low.weighted + gap * low.sum));
}

// `others` covers every vocabulary entry but the target, `target` is the target's own scaled logit. Keeping
// it apart makes logp = -log1p(others / target) accurate where p is close to 1, and exactly <= 0.
LAP_HD RowResult finish_row(const LogitStats& others, double target) {
  const double infinite = HUGE_VAL;
  if (isnan(others.sum) || isnan(target) || others.max == infinite || target == infinite ||
      (others.sum == 0 && target == -infinite)) {
    const float none = nanf("");
    return {none, none, none, none};
  }
  if (others.sum == 0) return {0.f, static_cast<float>(target), 0.f, target};
  const double gap = target - others.max;  // -inf for a target of probability 0
  // In units of exp(others.max) below, of exp(target) above: neither overflows.
  const bool target_leads = gap > 0;
  const double top = target_leads ? target : others.max;
  const double others_sum = target_leads ? others.sum * exp(-gap) : others.sum;
  const double target_sum = target_leads ? 1 : exp(gap);
  const double total = others_sum + target_sum;
  const double log_total = target_leads ? log1p(others_sum) : log(total);
  RowResult result;
  result.fine_lse = top + log_total;
  result.lse = static_cast<float>(result.fine_lse);
  result.logp = static_cast<float>(target_leads ? -log_total : gap - log_total);
  const double others_weighted =
      target_leads ? exp(-gap) * (others.weighted - gap * others.sum) : others.weighted;
  const double target_weighted = target_leads || target_sum == 0 ? 0 : target_sum * gap;
  result.entropy = static_cast<float>(log_total - (others_weighted + target_weighted) / total);
  return result;
}

// lse of a row, for exp(z - lse) without cancellation: the stored f32 lse is coarse for large logits,
// target - logp for small probabilities; the better of the two is taken.
LAP_HD double finer_lse(float lse, float logp, double target) {
  const bool by_target = isfinite(target) && fabs(logp) < fabs(lse);
  return by_target ? target - static_cast<double>(logp) : lse;
}

// The gradient of slope * logp + entropy_slope * entropy.
LAP_HD LogitGradient logit_gradient(const LogitRow& row, double lse, float dlogp, float dentropy,
                                    float entropy) {
  const double value = lse * row.temperature;
  const float high = static_cast<float>(value);
  const double slope = dlogp + static_cast<double>(dentropy) * entropy;
  return {high, static_cast<float>(value - high), static_cast<float>(slope), dentropy};
}

// The same, where the target has the scaled logit `target`.
LAP_HD LogitGradient logit_gradient(const LogitRow& row, float lse, float logp, double target, float dlogp,
                                    float dentropy, float entropy) {
  return logit_gradient(row, finer_lse(lse, logp, target), dlogp, dentropy, entropy);
}

// The same gradient at the target itself: d logp / dz = 1 - p comes from logp, without cancellation.
LAP_HD float target_gradient(const LogitRow& row, float logit, float logp, float dlogp, float dentropy,
                             float entropy) {
  const double p = exp(static_cast<double>(logp));
  double slope = dlogp * -expm1(static_cast<double>(logp));
  if (dentropy != 0.f && p > 0) slope -= dentropy * p * (static_cast<double>(logp) + entropy);
  return static_cast<float>(slope * cap_slope(row, capped(row, logit)) / row.temperature);
}

}  // namespace lapidary
