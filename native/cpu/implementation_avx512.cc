// The implementation for x86-64 with AVX-512 (F, BW, DQ, VL): rows of logits 16 lanes wide. The matrix
// product and the rows of the built-in policy stay 8 lanes wide and gain the 32 registers. Headers come
// first, for the reason that implementation_avx2.cc gives.
#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns of its own header, where a value is undefined on purpose.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/numerics.h"
#include "cpu/features.h"
#include "cpu/implementation.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
#endif

#define LAP_ISA avx512
#define LAP_ISA_NAME "avx512"
#define LAP_TILE_ROWS 12
#define LAP_TILE_VECTORS 2
#define LAP_FMA(a, b, c) ((Vector)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LAP_MAX(a, b) ((Vector)_mm256_max_ps((__m256)(a), (__m256)(b)))
#define LAP_MIN(a, b) ((Vector)_mm256_min_ps((__m256)(a), (__m256)(b)))
#define LAP_SQRT(v) ((Vector)_mm256_sqrt_ps((__m256)(v)))
#define LAP_LOAD_FIRST(p, lanes) ((Vector)_mm256_maskz_loadu_ps((__mmask8)((1u << (lanes)) - 1u), p))
#define LAP_WIDE_LANES 16
#define LAP_WIDE_FMA(a, b, c) ((Wide)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define LAP_WIDE_MAX(a, b) ((Wide)_mm512_max_ps((__m512)(a), (__m512)(b)))
#define LAP_WIDE_FROM_F16(half) ((Wide)_mm512_cvtph_ps((__m256i)(half)))
#define LAP_WIDE_TO_F16(value) ((WideHalf)_mm512_cvtps_ph((__m512)(value), _MM_FROUND_TO_NEAREST_INT))
#include "cpu/generic/implementation.inc"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace lapidary {
// The compiler's run-time library counts these only where the operating system saves the wide registers.
static bool has_avx512() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
extern const Implementation kAvx512Implementation;
const Implementation kAvx512Implementation = avx512::make_implementation(has_avx512);
}  // namespace lapidary
#endif
