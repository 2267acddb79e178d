// The rows of the built-in policy that have tails and exponentials, against double precision.
#include "test/policy_fixture.h"

using namespace lapidary;
using namespace lapidary::test;

namespace {

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// Without a fused multiply-add the argument of 2^t is rounded, which far below 0 costs |t| 2^-24 of the
// result.
double tolerance(const Implementation& cpu) { return std::string(cpu.name) == "portable" ? 1e-5 : 2e-6; }

// e^-87 and less may be anything so small.
bool near(float value, double expected, double limit) {
  return std::fabs(static_cast<double>(value) - expected) <= limit * std::fabs(expected) + 1e-35;
}

constexpr float kGuard = 12345.f;

// Every length up to two vectors and a tail, so that every tail is met; what lies behind must stay as it was.
void check_swiglu(const Implementation& cpu) {
  const double limit = tolerance(cpu);
  bool forward = true, backward = true, guarded = true;
  for (int64_t count = 1; count <= 23; ++count) {
    for (int64_t trial = 0; trial < 40; ++trial) {
      std::vector<float> gate(count + 1, kGuard), up = gate, dout = gate, out = gate, dgate = gate,
                                                  dup = gate;
      for (int64_t i = 0; i < count; ++i) {
        const double wide = 100.0 * (2 * uniform(1, count, 64 * trial + i) - 1);
        gate[i] = static_cast<float>(trial % 2 == 0 ? wide : wide / 20);
        up[i] = static_cast<float>(normal(2, count, 64 * trial + i));
        dout[i] = static_cast<float>(normal(3, count, 64 * trial + i));
      }
      cpu.swiglu(gate.data(), up.data(), count, out.data());
      cpu.swiglu_backward(gate.data(), up.data(), dout.data(), count, dgate.data(), dup.data());
      for (int64_t i = 0; i < count; ++i) {
        const double g = gate[i], u = up[i], d = dout[i], s = sigmoid(g);
        forward &= near(out[i], g * s * u, limit);
        // Where the slope changes its sign its two terms cancel.
        const double slope = s * (1 + g * (1 - s)), size = std::fabs(d * u) * s * (1 + std::fabs(g));
        backward &= near(dup[i], d * g * s, limit);
        backward &= std::fabs(dgate[i] - d * u * slope) <= limit * size + 1e-35;
      }
      for (const auto& row : {gate, up, dout, out, dgate, dup}) guarded &= row[count] == kGuard;
    }
  }
  check(forward, std::string(cpu.name) + ": swiglu");
  check(backward, std::string(cpu.name) + ": swiglu_backward");
  check(guarded, std::string(cpu.name) + ": rows of any length stay within themselves");
}

void check_extremes(const Implementation& cpu) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float gate[5] = {std::numeric_limits<float>::quiet_NaN(), infinity, -1e30f, 1e30f, -0.f};
  const float up[5] = {1.f, 1.f, 1.f, 1.f, 1.f};
  float out[5];
  cpu.swiglu(gate, up, 5, out);
  check(std::isnan(out[0]) && out[1] == infinity && std::fabs(out[2]) < 1e-6f && out[3] == 1e30f &&
            out[4] == 0.f,
        std::string(cpu.name) + ": swiglu of NaN, infinity and huge numbers");
}

// A step for all heads is, to the bit, what the block of rows gives; and both are softmax attention.
void check_attention(const Implementation& cpu, int64_t width) {
  constexpr int64_t kHeads = 5, kStride = 96;
  const int64_t padded = round_up_8(width), size = (width + padded) * kStride;
  std::vector<float> cache(kHeads * size), query(kHeads * width), scores(kHeads * kStride),
      out(kHeads * padded);
  std::vector<float> keys(kStride * width), row(padded), row_scores(kStride);
  bool same = true, close = true;
  for (int64_t count : {1, 2, 7, 8, 9, 31, 33, 64, 65, 95, 96}) {
    for (int64_t i = 0; i < kHeads * width; ++i) query[i] = static_cast<float>(normal(4, count, i));
    for (int64_t h = 0; h < kHeads; ++h) {
      for (int64_t i = 0; i < kStride * width; ++i) keys[i] = static_cast<float>(normal(5 + h, count, i));
      cpu.block_keys({keys.data(), width}, count, width, cache.data() + h * size);
      float* values = cache.data() + h * size + width * kStride;
      for (int64_t i = 0; i < kStride * padded; ++i) values[i] = static_cast<float>(normal(50 + h, count, i));
    }
    cpu.attend_step({kHeads, count, width, 0.3f, query.data(), cache.data(), cache.data() + width * kStride,
                     size, scores.data(), kStride, out.data()});
    for (int64_t h = 0; h < kHeads; ++h) {
      const float* values = cache.data() + h * size + width * kStride;
      float maximum, inverse;
      cpu.attend({1,
                  count - 1,
                  width,
                  kStride,
                  0.3f,
                  {query.data() + h * width, width},
                  cache.data() + h * size,
                  {values, padded},
                  row_scores.data(),
                  row.data(),
                  padded,
                  &maximum,
                  &inverse});
      same &= same_bits(row.data(), out.data() + h * padded, width);
      std::vector<double> weights(count), expected(width, 0.0);
      double total = 0;
      for (int64_t j = 0; j < count; ++j) {
        double dot = 0;
        for (int64_t d = 0; d < width; ++d)
          dot += static_cast<double>(query[h * width + d]) *
                 static_cast<double>(static_cast<float>(normal(5 + h, count, j * width + d)));
        total += weights[j] = std::exp(static_cast<double>(0.3f) * dot);
      }
      for (int64_t d = 0; d < width; ++d) {
        for (int64_t j = 0; j < count; ++j)
          expected[d] += weights[j] / total * static_cast<double>(values[j * padded + d]);
        close &= std::fabs(expected[d] - static_cast<double>(row[d])) < 2e-5;
      }
    }
  }
  const std::string name = std::string(cpu.name) + ", head width " + std::to_string(width);
  check(same, name + ": a step of all heads has the bits of single rows");
  check(close, name + ": attention is the softmax of the scores over the values");
}

}  // namespace

int main() {
  for (const Implementation* const* cpu = implementations(); *cpu != nullptr; ++cpu) {
    if (!(*cpu)->supported()) continue;
    check_swiglu(**cpu);
    check_extremes(**cpu);
    for (const int64_t width : {2, 8, 12, 16, 20, 32}) check_attention(**cpu, width);
  }
  return finish();
}
