#include "policy/config.h"

#include <cmath>
#include <string>

namespace lapidary {
namespace {

Status in_range(const char* field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return ok_status();
  return invalid(std::string(field) + " is " + std::to_string(value) + "; expected a number from " +
                 std::to_string(low) + " to " + std::to_string(high));
}

Status positive(const char* field, float value) {
  if (std::isfinite(value) && value > 0) return ok_status();
  return invalid(std::string(field) + " is " + std::to_string(value) + "; expected a positive finite number");
}

}  // namespace

Status validate(const PolicyConfig& config) {
  LAP_TRY(in_range("vocab", config.vocab, 1, INT32_MAX));
  LAP_TRY(in_range("width", config.width, 2, 1 << 20));
  LAP_TRY(in_range("layers", config.layers, 1, 4096));
  LAP_TRY(in_range("heads", config.heads, 1, config.width));
  LAP_TRY(in_range("mlp_width", config.mlp_width, 1, 1 << 22));
  LAP_TRY(in_range("max_context", config.max_context, 1, 1 << 24));
  LAP_TRY(positive("rope_theta", config.rope_theta));
  LAP_TRY(positive("norm_epsilon", config.norm_epsilon));
  if (config.width % config.heads != 0 || config.head_width() % 2 != 0) {
    return invalid("heads is " + std::to_string(config.heads) + "; expected a divisor of width (" +
                   std::to_string(config.width) + ") that leaves an even head width");
  }
  return ok_status();
}

}  // namespace lapidary
