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

// IEEE binary16; denormals are kept.
LAP_HD float f16_to_f32(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t rest = bits & 0x7fffu;
  float value;
  if (rest >= 0x7c00u) {  // inf, NaN
    const uint32_t wide = sign | 0x7f800000u | ((rest & 0x3ffu) << 13);
    memcpy(&value, &wide, sizeof value);
    return value;
  }
  if (rest < 0x400u) {  // 0 and denormals: a whole number of 2^-24
    value = static_cast<float>(rest) * 5.9604644775390625e-8f;
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = sign | ((rest << 13) + (112u << 23));
  memcpy(&value, &wide, sizeof value);
  return value;
}

// Round to nearest even; overflow gives inf, NaN stays NaN.
LAP_HD uint16_t f32_to_f16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((rest >> 13) & 0x3ffu));
  if (rest >= 0x47800000u) return static_cast<uint16_t>(sign | 0x7c00u);  // 65536 and above, inf
  if (rest < 0x38800000u) {  // below 2^-14: adding 0.5 rounds to a multiple of 2^-24, in the low bits
    float magnitude;
    memcpy(&magnitude, &rest, sizeof magnitude);
    const float shifted = magnitude + 0.5f;
    uint32_t rounded;
    memcpy(&rounded, &shifted, sizeof rounded);
    return static_cast<uint16_t>(sign | (rounded - 0x3f000000u));
  }
  // 65520 to 65536 carries into the exponent and becomes inf, as it must.
  const uint32_t rounded = rest - (112u << 23) + 0xfffu + ((rest >> 13) & 1u);
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

}  // namespace lapidary
