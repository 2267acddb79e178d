// Elements of f32, bf16 and f16 in groups of 16 bytes.
#pragma once

#include "core/numerics.h"
#include "cuda/launch.h"
#include "lapidary/base.h"

namespace lapidary::cuda {

LAP_HD int64_t element_bytes(lap_dtype dtype) { return dtype == LAP_F32 ? 4 : 2; }

template <lap_dtype kType>
struct Element;

template <>
struct Element<LAP_F32> {
  using Storage = float;
  static constexpr int kGroup = 4;
  static __device__ __forceinline__ float load(float stored) { return stored; }
  static __device__ __forceinline__ float store(float value) { return value; }
};

template <>
struct Element<LAP_BF16> {
  using Storage = uint16_t;
  static constexpr int kGroup = 8;
  static __device__ __forceinline__ float load(uint16_t stored) { return bf16_to_f32(stored); }
  static __device__ __forceinline__ uint16_t store(float value) {
#if defined(__CUDA_ARCH__)
    uint16_t bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    return f32_to_bf16(value);
#endif
  }
  // Two at once, the first in the lower half: one instruction.
  static __device__ __forceinline__ uint32_t store_pair(float first, float second) {
#if defined(__CUDA_ARCH__)
    uint32_t bits;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
    return bits;
#else
    return store(first) | static_cast<uint32_t>(store(second)) << 16;
#endif
  }
};

template <>
struct Element<LAP_F16> {
  using Storage = uint16_t;
  static constexpr int kGroup = 8;
  static __device__ __forceinline__ float load(uint16_t stored) {
#if defined(__CUDA_ARCH__)
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(stored));
    return value;
#else
    return f16_to_f32(stored);
#endif
  }
  static __device__ __forceinline__ uint16_t store(float value) {
#if defined(__CUDA_ARCH__)
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
#else
    return f32_to_f16(value);
#endif
  }
  // Two at once, the first in the lower half: one instruction.
  static __device__ __forceinline__ uint32_t store_pair(float first, float second) {
#if defined(__CUDA_ARCH__)
    uint32_t bits;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(second), "f"(first));
    return bits;
#else
    return store(first) | static_cast<uint32_t>(store(second)) << 16;
#endif
  }
};

// 16 bytes, as one access moves them. What is read or written for the last time makes way for other data in
// the caches.
template <lap_dtype kType>
struct Group {
  using E = Element<kType>;
  union {
    uint4 raw;
    typename E::Storage each[E::kGroup];
  };
  static __device__ __forceinline__ Group load(const typename E::Storage* from, bool is_last = true) {
    const auto* address = reinterpret_cast<const uint4*>(from);
    Group group;
    group.raw = is_last ? __ldcs(address) : *address;
    return group;
  }
  static __device__ __forceinline__ Group of(const float (&x)[E::kGroup]) {
    Group group;
    if constexpr (kType == LAP_F32) {
#pragma unroll
      for (int i = 0; i < E::kGroup; ++i) group.each[i] = x[i];
    } else {
      group.raw = make_uint4(E::store_pair(x[0], x[1]), E::store_pair(x[2], x[3]), E::store_pair(x[4], x[5]),
                             E::store_pair(x[6], x[7]));
    }
    return group;
  }
  __device__ __forceinline__ void store(typename E::Storage* to) const {
    __stcs(reinterpret_cast<uint4*>(to), raw);
  }
};

// The 16 bytes that begin `past` bytes into `low`, of two neighbouring words of 16.
__device__ __forceinline__ uint4 straddle(uint4 low, uint4 high, int past) {
  if ((past & 8) != 0) {
    low = make_uint4(low.z, low.w, high.x, high.y);
    high = make_uint4(high.z, high.w, 0, 0);
  }
  if ((past & 4) != 0) {
    low = make_uint4(low.y, low.z, low.w, high.x);
    high.x = high.y;
  }
  if ((past & 2) != 0) {
    low = make_uint4(low.x >> 16 | low.y << 16, low.y >> 16 | low.z << 16, low.z >> 16 | low.w << 16,
                     low.w >> 16 | high.x << 16);
  }
  return low;
}

template <class Storage>
__device__ __forceinline__ int bytes_past(const Storage* address) {
  return static_cast<int>(reinterpret_cast<uintptr_t>(address) % 16);
}

// A group from anywhere: `past` is bytes_past(from), the same for all threads. Only an `inner` one, which has
// a whole group of the row before and after it, may look at the 16 bytes on both sides of a boundary.
template <lap_dtype kType>
__device__ __forceinline__ Group<kType> load_group(const typename Element<kType>::Storage* from, int past,
                                                   bool inner, bool is_last = true) {
  if (past == 0) return Group<kType>::load(from, is_last);
  Group<kType> group;
  if (inner) {
    const auto* words = reinterpret_cast<const uint4*>(reinterpret_cast<const char*>(from) - past);
    group.raw = straddle(words[0], words[1], past);
  } else {
#pragma unroll
    for (int i = 0; i < Element<kType>::kGroup; ++i) group.each[i] = from[i];
  }
  return group;
}

// A row as single elements up to the first 16-byte boundary, whole groups, and single elements again.
struct RowParts {
  int64_t head, groups, tail_begin, count;
};
template <lap_dtype kType>
__device__ __forceinline__ RowParts row_parts(const typename Element<kType>::Storage* row, int64_t count) {
  using E = Element<kType>;
  const int64_t past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(row) % 16 / sizeof(*row));
  const int64_t lead = past == 0 ? 0 : E::kGroup - past;
  const int64_t head = lead < count ? lead : count;
  const int64_t groups = (count - head) / E::kGroup;
  return {head, groups, head + groups * E::kGroup, count};
}

// 2^x, to 2 units in the last place, flushing what is denormal.
__device__ __forceinline__ float exp2_fast(float x) {
#if defined(__CUDA_ARCH__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

// To 2 units in the last place, of a divisor that is neither denormal nor above 2^126.
__device__ __forceinline__ float divide_fast(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdividef(a, b);
#else
  return a / b;
#endif
}

constexpr float kLog2E = 1.4426950408889634f;

}  // namespace lapidary::cuda
