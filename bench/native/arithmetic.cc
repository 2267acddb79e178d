// The rates of an exponential and of a multiply-add, with all data in registers or in the L1 cache.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "ceilings.h"
#include "team.h"

namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Vector __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVector __attribute__((vector_size(kLanes * 4)));

inline Vector splat(float x) { return x - Vector{}; }

// exp(x) for -87 <= x <= 0: x = n ln 2 + r with |r| <= ln 2 / 2, 1 + r + r^2 q(r) with q fitted for the least
// relative error (1.05e-7 before rounding), and 2^n by adding n to the exponent bits. n << 23 comes straight
// from the bits of the shifted sum, whose low bits hold n.
inline Vector exp_nonpositive(Vector x) {
  const Vector magic = splat(12582912.f);  // 1.5 * 2^23: adding it rounds to an integer
  const Vector shifted = x * splat(1.44269504f) + magic;
  const Vector n = shifted - magic;
  Vector r = x - n * splat(0.693359375f);
  r = r - n * splat(-2.12194440e-4f);
  Vector q = splat(8.3125e-3f);
  q = q * r + splat(4.189033e-2f);
  q = q * r + splat(1.6667115e-1f);
  q = q * r + splat(4.999923e-1f);
  const Vector y = (q * r) * r + (r + splat(1.f));
  return (Vector)((IntVector)y + ((IntVector)shifted << 23));
}

constexpr int kElements = 4096;  // 16 KiB: half of an L1 cache

inline Vector load(const float* p) {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <int kUnroll>
float sum_of_exps(const float* x) {
  Vector sums[kUnroll] = {};
  for (int i = 0; i < kElements; i += kUnroll * kLanes) {
    for (int u = 0; u < kUnroll; ++u) sums[u] += exp_nonpositive(load(x + i + u * kLanes));
  }
  float total = 0;
  for (const Vector& sum : sums) {
    for (int lane = 0; lane < kLanes; ++lane) total += sum[lane];
  }
  return total;
}

volatile float sink;  // keeps results alive

template <int kUnroll>
double exps_per_second(int threads, int passes) {
  constexpr int kRepeats = 1000;
  const double seconds = best_seconds(threads, passes, [](int thread) {
    alignas(64) float x[kElements];
    for (int i = 0; i < kElements; ++i) x[i] = -0.001f * ((i * 7919 + thread) % 20000);
    float total = 0;
    for (int i = 0; i < kRepeats; ++i) {
      total += sum_of_exps<kUnroll>(x);
      asm volatile("" : : "r"(x) : "memory");  // the next repeat is not the same computation to the compiler
    }
    sink = total;
  });
  return static_cast<double>(kElements) * kRepeats * threads / seconds;
}

}  // namespace

ExpRate measure_exp(int threads, int passes) {
  double best = 0;
  for (const double rate : {exps_per_second<1>(threads, 4 * passes), exps_per_second<2>(threads, 4 * passes),
                            exps_per_second<4>(threads, 4 * passes)}) {
    best = std::max(best, rate);
  }
  double worst = 0;
  for (int i = 0; i <= 870000; ++i) {
    const float x = -87.f * (i / 870000.f);
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::fabs(exp_nonpositive(splat(x))[0] - exact) / exact);
  }
  return {best, worst};
}

double measure_multiply_add(int threads, int passes) {
  constexpr int kChains = 10;  // more than latency times throughput, fewer than the registers
  constexpr int64_t kSteps = 4'000'000;
  const double seconds = best_seconds(threads, passes, [](int thread) {
    Vector chain[kChains];
#pragma GCC unroll 10
    for (int i = 0; i < kChains; ++i) chain[i] = splat(0.1f * (i + thread));
    const Vector factor = splat(0.999f), term = splat(1e-3f);
    for (int64_t step = 0; step < kSteps; ++step) {
#pragma GCC unroll 10
      for (int i = 0; i < kChains; ++i) {
        chain[i] = chain[i] * factor + term;
#if defined(__x86_64__)
        asm volatile("" : "+v"(chain[i]));  // keeps the chains apart and in registers
#endif
      }
    }
    float total = 0;
#pragma GCC unroll 10
    for (const Vector& v : chain) total += v[0];
    sink = total;
  });
  return 2.0 * kLanes * kChains * kSteps * threads / seconds;
}
