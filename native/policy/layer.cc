#include "policy/layer.h"

#include <cstring>

namespace lapidary {
namespace {

size_t floats(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

void norm_rows(const Network& net, const float* x, int64_t gain, const RowBlock& block, float* out,
               float* inv_rms) {
  const int64_t width = net.config.width;
  for (int64_t t = block.begin; t < block.begin + block.count; ++t) {
    inv_rms[t] = net.cpu.rms_norm(x + t * width, net.parameters + gain, width, net.config.norm_epsilon,
                                  out + t * width);
  }
}

}  // namespace

LayerRows::LayerRows(Carver& carver, const PolicyConfig& config, int64_t rows) {
  const int64_t stream = rows * config.width;
  input = carver.take<float>(stream);
  norm1 = carver.take<float>(stream);
  inv_rms1 = carver.take<float>(rows);
  qkv = carver.take<float>(3 * stream);
  attended = carver.take<float>(stream);
  maxima = carver.take<float>(config.heads * rows);
  inverses = carver.take<float>(config.heads * rows);
  middle = carver.take<float>(stream);
  norm2 = carver.take<float>(stream);
  inv_rms2 = carver.take<float>(rows);
  gate_up = carver.take<float>(2 * rows * config.mlp_width);
  hidden = carver.take<float>(rows * config.mlp_width);
}

std::vector<PackedLayer> carve_packed(Carver& carver, const Network& net, Direction direction) {
  const int64_t width = net.config.width, mlp = net.config.mlp_width;
  const auto take = [&](int64_t out, int64_t in) {
    const bool forward = direction == Direction::kForward;
    return carver.take<float>(forward ? packed_size(net.cpu, out, in) : packed_size(net.cpu, in, out));
  };
  std::vector<PackedLayer> packed(static_cast<size_t>(net.config.layers));
  for (PackedLayer& layer : packed) {
    layer.qkv = take(3 * width, width);
    layer.o = take(width, width);
    layer.gate_up = take(2 * mlp, width);
    layer.down = take(width, mlp);
  }
  return packed;
}

void pack_layers(ThreadPool& pool, const Network& net, Direction direction,
                 const std::vector<PackedLayer>& packed) {
  const int64_t width = net.config.width, mlp = net.config.mlp_width;
  const auto pack = [&](int64_t offset, int64_t out, int64_t in, float* to) {
    const float* weight = net.parameters + offset;
    if (direction == Direction::kForward) {
      pack_matrix(pool, net.cpu, transposed(weight, in), out, in, to);
    } else {
      pack_matrix(pool, net.cpu, matrix(weight, in), in, out, to);
    }
  };
  for (size_t layer = 0; layer < packed.size(); ++layer) {
    const LayerOffsets& at = net.layout.layers[layer];
    pack(at.qkv, 3 * width, width, packed[layer].qkv);
    pack(at.o, width, width, packed[layer].o);
    pack(at.gate_up, 2 * mlp, width, packed[layer].gate_up);
    pack(at.down, width, mlp, packed[layer].down);
  }
}

void before_attention(const Network& net, int64_t layer, const PackedLayer& packed, const LayerRows& at,
                      const int32_t* positions, const RowBlock& block) {
  const int64_t width = net.config.width;
  norm_rows(net, at.input, net.layout.layers[layer].norm1, block, at.norm1, at.inv_rms1);
  multiply_block(net.cpu, {at.norm1, width, packed.qkv, 3 * width, at.qkv, false}, block.begin, block.count,
                 block.scratch);
  for (int64_t t = block.begin; t < block.begin + block.count; ++t) {
    net.cpu.rotate(net.rotary.cosines(positions[t]), net.rotary.sines(positions[t]), 1.f, net.rotary.half(),
                   2 * net.config.heads, at.qkv + 3 * width * t);
  }
}

void after_attention(const Network& net, int64_t layer, const PackedLayer& packed, const LayerRows& at,
                     float* output, const RowBlock& block) {
  const int64_t width = net.config.width, mlp = net.config.mlp_width;
  const int64_t start = block.begin * width, size = block.count * width;
  std::memcpy(at.middle + start, at.input + start, floats(size));
  multiply_block(net.cpu, {at.attended, width, packed.o, width, at.middle, true}, block.begin, block.count,
                 block.scratch);
  norm_rows(net, at.middle, net.layout.layers[layer].norm2, block, at.norm2, at.inv_rms2);
  multiply_block(net.cpu, {at.norm2, width, packed.gate_up, 2 * mlp, at.gate_up, false}, block.begin,
                 block.count, block.scratch);
  for (int64_t t = block.begin; t < block.begin + block.count; ++t)
    net.cpu.swiglu(at.gate_up + 2 * mlp * t, at.gate_up + 2 * mlp * t + mlp, mlp, at.hidden + mlp * t);
  std::memcpy(output + start, at.middle + start, floats(size));
  multiply_block(net.cpu, {at.hidden, mlp, packed.down, width, output, true}, block.begin, block.count,
                 block.scratch);
}

void embed_rows(const Network& net, const int32_t* tokens, int64_t begin, int64_t count, float* out) {
  const int64_t width = net.config.width;
  for (int64_t t = begin; t < begin + count; ++t) {
    std::memcpy(out + t * width, net.parameters + net.layout.embedding + tokens[t] * width, floats(width));
  }
}

}  // namespace lapidary
