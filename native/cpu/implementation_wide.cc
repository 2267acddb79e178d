// Rows 16 lanes wide on AVX2, as implementation_avx512.cc has them: for the differential tests of that code
// on machines without AVX-512. Only in builds with LAP_TEST_IMPLEMENTATIONS
// (CXXFLAGS=-DLAP_TEST_IMPLEMENTATIONS npm run install), and never chosen unless named.
#if defined(__x86_64__) && defined(LAP_TEST_IMPLEMENTATIONS)
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/numerics.h"
#include "cpu/features.h"
#include "cpu/implementation.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#define LAP_ISA wide16
#define LAP_ISA_NAME "wide"
#define LAP_TILE_ROWS 12
#define LAP_TILE_VECTORS 2
#define LAP_FMA(a, b, c) ((Vector)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LAP_MAX(a, b) ((Vector)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define LAP_MIN(a, b) ((Vector)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define LAP_SQRT(v) ((Vector)_mm256_sqrt_ps((__m256)(v)))
#define LAP_WIDE_LANES 16
#define LAP_WIDE_FMA(a, b, c) ((a) * (b) + (c))
#define LAP_WIDE_MAX(a, b) ((a) > (b) ? (a) : (b))
#include "cpu/generic/implementation.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace lapidary {
static bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}
extern const Implementation kWideImplementation;
const Implementation kWideImplementation = wide16::make_implementation(has_avx2);
}  // namespace lapidary
#endif
