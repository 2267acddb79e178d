// Cosines and sines of the rotary embedding, as Llama pairs them: element i of a head turns with element
// i + head_width / 2, by the angle position * theta^(-2 i / head_width).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "policy/config.h"

namespace lapidary {

class RotaryTable {
 public:
  explicit RotaryTable(const PolicyConfig& config) : half_(config.head_width() / 2) {
    const size_t size = static_cast<size_t>(config.max_context * half_);
    cosines_.resize(size);
    sines_.resize(size);
    for (int64_t i = 0; i < half_; ++i) {
      const double exponent = -static_cast<double>(i) / static_cast<double>(half_);
      const double frequency = std::pow(static_cast<double>(config.rope_theta), exponent);
      for (int64_t position = 0; position < config.max_context; ++position) {
        const double angle = static_cast<double>(position) * frequency;
        cosines_[position * half_ + i] = static_cast<float>(std::cos(angle));
        sines_[position * half_ + i] = static_cast<float>(std::sin(angle));
      }
    }
  }

  int64_t half() const { return half_; }
  const float* cosines(int64_t position) const { return cosines_.data() + position * half_; }
  const float* sines(int64_t position) const { return sines_.data() + position * half_; }

 private:
  int64_t half_;
  std::vector<float> cosines_, sines_;  // [max_context, half]
};

}  // namespace lapidary
