// Rows whose element type is known at run time only, eight elements at a time. Both rows of a pair have types
// of their own, and a kernel for each pair of them would be compiled nine times: the type is looked at where
// elements are loaded, and is the same for all threads.
#pragma once

#include "cuda/element.cuh"

namespace lapidary::cuda {

constexpr int kEight = 8;

struct AnyRow {
  const void* data;
  lap_dtype dtype;
  int64_t count;

  template <lap_dtype kType>
  __device__ __forceinline__ void load_as(int64_t begin, bool is_last, float (&x)[kEight]) const {
    using E = Element<kType>;
    const auto* from = static_cast<const typename E::Storage*>(data) + begin;
    const int past = bytes_past(from);
#pragma unroll
    for (int part = 0; part < kEight; part += E::kGroup) {
      const int64_t at = begin + part;
      const bool inner = at >= E::kGroup && at + 2 * E::kGroup <= count;
      const Group<kType> group = load_group<kType>(from + part, past, inner, is_last);
#pragma unroll
      for (int i = 0; i < E::kGroup; ++i) x[part + i] = E::load(group.each[i]);
    }
  }
  __device__ __forceinline__ void load(int64_t begin, bool is_last, float (&x)[kEight]) const {
    if (dtype == LAP_BF16) return load_as<LAP_BF16>(begin, is_last, x);
    if (dtype == LAP_F16) return load_as<LAP_F16>(begin, is_last, x);
    load_as<LAP_F32>(begin, is_last, x);
  }
  __device__ __forceinline__ float one(int64_t i) const {
    if (dtype == LAP_F32) return static_cast<const float*>(data)[i];
    const uint16_t bits = static_cast<const uint16_t*>(data)[i];
    return dtype == LAP_BF16 ? Element<LAP_BF16>::load(bits) : Element<LAP_F16>::load(bits);
  }
};

struct AnyRowOut {
  void* data;
  lap_dtype dtype;

  __device__ __forceinline__ AnyRowOut from(int64_t first) const {
    return {static_cast<char*>(data) + first * element_bytes(dtype), dtype};
  }

  template <lap_dtype kType>
  __device__ __forceinline__ void store_as(int64_t begin, const float (&x)[kEight]) const {
    using E = Element<kType>;
    auto* to = static_cast<typename E::Storage*>(data) + begin;
#pragma unroll
    for (int part = 0; part < kEight; part += E::kGroup) {
      float own[E::kGroup];
#pragma unroll
      for (int i = 0; i < E::kGroup; ++i) own[i] = x[part + i];
      Group<kType>::of(own).store(to + part);
    }
  }
  // `begin` lies on 16 bytes.
  __device__ __forceinline__ void store(int64_t begin, const float (&x)[kEight]) const {
    if (dtype == LAP_BF16) return store_as<LAP_BF16>(begin, x);
    if (dtype == LAP_F16) return store_as<LAP_F16>(begin, x);
    store_as<LAP_F32>(begin, x);
  }
  __device__ __forceinline__ void one(int64_t i, float value) const {
    if (dtype == LAP_F32)
      static_cast<float*>(data)[i] = value;
    else
      static_cast<uint16_t*>(data)[i] =
          dtype == LAP_BF16 ? Element<LAP_BF16>::store(value) : Element<LAP_F16>::store(value);
  }
  // The elements before the first that lies on 16 bytes.
  __device__ __forceinline__ int64_t head(int64_t count) const {
    const int bytes = (16 - bytes_past(static_cast<const char*>(data))) % 16;
    const int64_t elements = bytes / element_bytes(dtype);
    return elements < count ? elements : count;
  }
  // Every element the same.
  __device__ __forceinline__ void fill(float value, int64_t count) const {
    const float x[kEight] = {value, value, value, value, value, value, value, value};
    const int64_t first = head(count), eights = (count - first) / kEight;
    for (int64_t i = threadIdx.x; i < first; i += blockDim.x) one(i, value);
    for (int64_t k = threadIdx.x; k < eights; k += blockDim.x) store(first + k * kEight, x);
    for (int64_t i = first + eights * kEight + threadIdx.x; i < count; i += blockDim.x) one(i, value);
  }
};

}  // namespace lapidary::cuda
