// The implementation for x86-64 with AVX2 and FMA. Every header is included before the target changes, so
// that no shared inline function is compiled for AVX2 and then picked by the linker for a CPU without it.
#if defined(__x86_64__)
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/numerics.h"
#include "cpu/features.h"
#include "cpu/implementation.h"
#include "cpu/tile_avx2.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c")
#endif

#define LAP_ISA avx2
#define LAP_ISA_NAME "avx2"
#define LAP_TILE_ROWS 6
#define LAP_TILE_VECTORS 2
#define LAP_FMA(a, b, c) ((Vector)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LAP_MAX(a, b) ((Vector)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define LAP_MIN(a, b) ((Vector)_mm256_min_ps((__m256)(a), (__m256)(b)))
// The rest of a tile's steps, in place for the same reason as the four.
#define LAP_TILE_FMA(a, b, sum) asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b))
#define LAP_SQRT(v) ((Vector)_mm256_sqrt_ps((__m256)(v)))
// The first lanes of a vector, the others 0.
static const int32_t kLaneMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
#define LAP_LOAD_FIRST(p, lanes) \
  ((Vector)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i*)(kLaneMasks + 8 - (lanes)))))
#define LAP_WIDE_LANES 8
#define LAP_WIDE_FMA(a, b, c) ((Wide)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LAP_WIDE_MAX(a, b) ((Wide)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define LAP_WIDE_FROM_F16(half) ((Wide)_mm256_cvtph_ps((__m128i)(half)))
#define LAP_WIDE_TO_F16(value) ((WideHalf)_mm256_cvtps_ph((__m256)(value), _MM_FROUND_TO_NEAREST_INT))
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
extern const Implementation kAvx2Implementation;
const Implementation kAvx2Implementation = avx2::make_implementation(has_avx2);
}  // namespace lapidary
#endif
