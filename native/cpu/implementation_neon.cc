// The implementation for 64-bit Arm, whose baseline has NEON with a fused multiply-add and f16 conversions.
#if defined(__aarch64__)
#include <arm_neon.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/numerics.h"
#include "cpu/implementation.h"

namespace lapidary {
namespace neon {

// Eight lanes are two registers.
typedef float EightLanes __attribute__((vector_size(32)));
struct TwoRegisters {
  float32x4_t low, high;
};
static inline __attribute__((always_inline)) EightLanes fused(EightLanes a, EightLanes b, EightLanes c) {
  const auto x = __builtin_bit_cast(TwoRegisters, a), y = __builtin_bit_cast(TwoRegisters, b),
             z = __builtin_bit_cast(TwoRegisters, c);
  return __builtin_bit_cast(EightLanes,
                            TwoRegisters{vfmaq_f32(z.low, x.low, y.low), vfmaq_f32(z.high, x.high, y.high)});
}

}  // namespace neon
}  // namespace lapidary

#define LAP_ISA neon
#define LAP_ISA_NAME "neon"
// 24 of the 32 registers hold a tile's sums.
#define LAP_TILE_ROWS 6
#define LAP_TILE_VECTORS 2
#define LAP_FMA(a, b, c) ((Vector)fused((EightLanes)(a), (EightLanes)(b), (EightLanes)(c)))
// vmaxq and vmaxnmq treat NaN otherwise.
#define LAP_MAX(a, b) ((a) > (b) ? (a) : (b))
#define LAP_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LAP_WIDE_LANES 4
#define LAP_WIDE_FMA(a, b, c) ((Wide)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define LAP_WIDE_MAX(a, b) ((a) > (b) ? (a) : (b))
#define LAP_WIDE_FROM_F16(half) ((Wide)vcvt_f32_f16((float16x4_t)(half)))
#define LAP_WIDE_TO_F16(value) ((WideHalf)vcvt_f16_f32((float32x4_t)(value)))
#include "cpu/generic/implementation.inc"

namespace lapidary {
static bool always_supported() { return true; }
extern const Implementation kNeonImplementation;
const Implementation kNeonImplementation = neon::make_implementation(always_supported);
}  // namespace lapidary
#endif
