#include "policy/choose.h"

#include <cmath>

namespace lapidary {

int32_t choose_token(const Implementation& cpu, const float* logits, int64_t vocab, float temperature,
                     double uniform, float* scratch) {
  int64_t best = 0;
  bool has_nan = false;
  for (int64_t v = 0; v < vocab; ++v) {
    has_nan |= logits[v] != logits[v];
    if (logits[v] > logits[best]) best = v;
  }
  if (has_nan || !std::isfinite(logits[best])) return kNoChoice;
  if (temperature == 0) return static_cast<int32_t>(best);
  // The maximum is taken off first: a small temperature must not turn logits into inf.
  for (int64_t v = 0; v < vocab; ++v) scratch[v] = (logits[v] - logits[best]) / temperature;
  cpu.softmax(scratch, vocab);
  double total = 0;
  for (int64_t v = 0; v < vocab; ++v) total += static_cast<double>(scratch[v]);
  double left = uniform * total;
  int64_t last = best;
  for (int64_t v = 0; v < vocab; ++v) {
    if (scratch[v] == 0.f) continue;
    last = v;
    left -= static_cast<double>(scratch[v]);
    if (left < 0) break;
  }
  return static_cast<int32_t>(last);
}

}  // namespace lapidary
