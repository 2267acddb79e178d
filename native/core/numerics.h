// Small numeric helpers shared by every backend. `static inline` keeps each translation unit's copy its own,
// so that code compiled for a wider instruction set is never picked for a narrower one at link time.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__CUDACC__)
#define LAP_HD __host__ __device__ __forceinline__
#else
#define LAP_HD static inline
#endif

namespace lapidary {

// bf16 is the upper half of an f32.
LAP_HD float bf16_to_f32(uint16_t bits) {
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

// Round to nearest even; NaN stays NaN (its payload's top bit is forced, or rounding could make it inf).
LAP_HD uint16_t f32_to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace lapidary
