// Where each tensor lies in the one buffer of parameters. Gradients and moments use the same layout.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policy/config.h"

namespace lapidary {

enum class Initial { kNormal, kResidual, kOne };

struct TensorInfo {
  std::string name;            // the Hugging Face Llama name
  std::vector<int64_t> shape;  // [out, in] of a projection, [width] of a gain
  int64_t offset, size;
  Initial initial;

  bool is_gain() const { return initial == Initial::kOne; }
};

// Offsets of a layer's tensors. q, k and v lie one after the other, and so do gate and up: each run is one
// projection to the matrix product.
struct LayerOffsets {
  int64_t norm1, qkv, o, norm2, gate_up, down;
};

struct ParameterLayout {
  explicit ParameterLayout(const PolicyConfig& config);

  std::vector<TensorInfo> tensors;
  std::vector<LayerOffsets> layers;
  int64_t embedding = 0, norm = 0, head = 0, total = 0;

 private:
  int64_t add(std::string name, std::vector<int64_t> shape, Initial initial);
};

// N(0, 0.02), the projections into the residual stream scaled by 1 / sqrt(2 layers), gains 1.
void initialise(const PolicyConfig& config, const ParameterLayout& layout, uint64_t seed, float* parameters);

}  // namespace lapidary
