#include "policy/parameters.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "policy/random.h"

namespace lapidary {

int64_t ParameterLayout::add(std::string name, std::vector<int64_t> shape, Initial initial) {
  int64_t size = 1;
  for (const int64_t extent : shape) size *= extent;
  tensors.push_back({std::move(name), std::move(shape), total, size, initial});
  total += size;
  return tensors.back().offset;
}

ParameterLayout::ParameterLayout(const PolicyConfig& config) {
  const int64_t width = config.width, mlp = config.mlp_width;
  embedding = add("model.embed_tokens.weight", {config.vocab, width}, Initial::kNormal);
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer) + ".";
    LayerOffsets at;
    at.norm1 = add(prefix + "input_layernorm.weight", {width}, Initial::kOne);
    at.qkv = add(prefix + "self_attn.q_proj.weight", {width, width}, Initial::kNormal);
    add(prefix + "self_attn.k_proj.weight", {width, width}, Initial::kNormal);
    add(prefix + "self_attn.v_proj.weight", {width, width}, Initial::kNormal);
    at.o = add(prefix + "self_attn.o_proj.weight", {width, width}, Initial::kResidual);
    at.norm2 = add(prefix + "post_attention_layernorm.weight", {width}, Initial::kOne);
    at.gate_up = add(prefix + "mlp.gate_proj.weight", {mlp, width}, Initial::kNormal);
    add(prefix + "mlp.up_proj.weight", {mlp, width}, Initial::kNormal);
    at.down = add(prefix + "mlp.down_proj.weight", {width, mlp}, Initial::kResidual);
    layers.push_back(at);
  }
  norm = add("model.norm.weight", {width}, Initial::kOne);
  head = config.tied_head ? embedding : add("lm_head.weight", {config.vocab, width}, Initial::kNormal);
}

void initialise(const PolicyConfig& config, const ParameterLayout& layout, uint64_t seed, float* parameters) {
  constexpr double kDeviation = 0.02;
  const double residual = kDeviation / std::sqrt(2.0 * static_cast<double>(config.layers));
  for (size_t t = 0; t < layout.tensors.size(); ++t) {
    const TensorInfo& tensor = layout.tensors[t];
    float* values = parameters + tensor.offset;
    if (tensor.is_gain()) {
      std::fill_n(values, tensor.size, 1.f);
      continue;
    }
    const double deviation = tensor.initial == Initial::kResidual ? residual : kDeviation;
    for (int64_t i = 0; i < tensor.size; ++i)
      values[i] = static_cast<float>(deviation * normal(seed, t, static_cast<uint64_t>(i)));
  }
}

}  // namespace lapidary
