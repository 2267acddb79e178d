// The relative error of the exponential of the logit kernels, over every float of a range, through the
// function that writes p: a gradient of slope -1 at lse = 0 is exp(z) itself.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "cpu/implementation.h"

namespace {

int passed = 0, failed = 0;

void check(bool ok, const char* name, const char* what, double value) {
  std::printf("%s %s: %s %.3g\n", ok ? "ok  " : "FAIL", name, what, value);
  ++(ok ? passed : failed);
}

// All floats from -2^-10 down to -87 and, coarser, the tiny ones.
std::vector<float> arguments() {
  std::vector<float> all{0.f, -0.f, -1e-45f, -1e-30f, -1e-10f};
  float low = -87.f, high = -0x1p-10f;
  uint32_t first, last;
  std::memcpy(&first, &high, sizeof first);
  std::memcpy(&last, &low, sizeof last);
  // A step that is coprime to every power of two visits all low bits; every float would take minutes.
  for (uint32_t bits = first; bits <= last; bits += 7) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    all.push_back(x);
  }
  return all;
}

void accuracy(const lapidary::Implementation& cpu, const std::vector<float>& x) {
  std::vector<float> out(x.size());
  const lapidary::LogitRow row{x.data(), LAP_F32, 1.f, 0.f};
  cpu.softmax_gradient(row, {0.f, 0.f, -1.f, 0.f}, static_cast<int64_t>(x.size()), out.data());
  double worst = 0, sum = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    // log2(e) is rounded to a float: its 1.3e-8 grows with |x|, and is not the polynomial's.
    const double exact = std::exp2(static_cast<double>(x[i]) * static_cast<double>(1.4426950408889634f));
    if (x[i] < -86.5) continue;  // 2^-125 is the floor
    const double error = (out[i] - exact) / exact;
    worst = std::fmax(worst, std::fabs(error));
    sum += error;
  }
  // Without a fused multiply-add the product x log2(e) is rounded, in proportion to |x|.
  const double bound = std::strcmp(cpu.name, "portable") == 0 ? 3e-6 : 2.2e-7;
  check(worst < bound, cpu.name, "largest relative error", worst);
  check(std::fabs(sum / static_cast<double>(x.size())) < 3e-8, cpu.name, "mean relative error",
        sum / static_cast<double>(x.size()));
  check(out[0] == 1.f && out[1] == 1.f && out[2] == 1.f, cpu.name, "exp(0)", out[0]);
}

void specials(const lapidary::Implementation& cpu) {
  const float x[4] = {-INFINITY, -1000.f, NAN, 0.f};
  float out[4];
  cpu.softmax_gradient({x, LAP_F32, 1.f, 0.f}, {0.f, 0.f, -1.f, 0.f}, 4, out);
  check(out[0] == 0.f, cpu.name, "exp(-inf)", out[0]);
  check(out[1] == 0.f, cpu.name, "exp(-1000)", out[1]);
  check(std::isnan(out[2]), cpu.name, "exp(NaN)", out[2]);
}

}  // namespace

int main() {
  const std::vector<float> x = arguments();
  for (const lapidary::Implementation* const* each = lapidary::implementations(); *each != nullptr; ++each) {
    if (!(*each)->supported()) continue;
    accuracy(**each, x);
    specials(**each);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
