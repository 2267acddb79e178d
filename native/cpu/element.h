// One element of a matrix of any element type.
#pragma once

#include <cstdint>

#include "core/numerics.h"
#include "lapidary.h"

namespace lapidary {

inline int64_t element_size(lap_dtype dtype) { return dtype == LAP_F32 ? 4 : 2; }

inline float load_element(const void* data, lap_dtype dtype, int64_t i) {
  switch (dtype) {
    case LAP_BF16:
      return bf16_to_f32(static_cast<const uint16_t*>(data)[i]);
    case LAP_F16:
      return f16_to_f32(static_cast<const uint16_t*>(data)[i]);
    default:
      return static_cast<const float*>(data)[i];
  }
}

inline void store_element(void* data, lap_dtype dtype, int64_t i, float value) {
  switch (dtype) {
    case LAP_BF16:
      static_cast<uint16_t*>(data)[i] = f32_to_bf16(value);
      return;
    case LAP_F16:
      static_cast<uint16_t*>(data)[i] = f32_to_f16(value);
      return;
    default:
      static_cast<float*>(data)[i] = value;
  }
}

}  // namespace lapidary
