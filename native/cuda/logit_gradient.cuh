// A block's pass over one row that writes the gradient: -p_v (slope + entropy_slope log p_v) dz_v/dlogit_v,
// and the target's own entry as given. In place or not; a row of outputs that lies otherwise on 16 bytes than
// the row of logits is written element by element.
#pragma once

#include "cuda/logit_stats.cuh"

namespace lapidary::cuda {

template <lap_dtype kType>
__device__ __forceinline__ void write_zeros(typename Element<kType>::Storage* out, int64_t count) {
  using E = Element<kType>;
  const RowParts parts = row_parts<kType>(out, count);
  Group<kType> zeros;
  zeros.raw = make_uint4(0, 0, 0, 0);
  for (int64_t i = threadIdx.x; i < parts.head; i += blockDim.x) out[i] = 0;
  for (int64_t k = threadIdx.x; k < parts.groups; k += blockDim.x)
    zeros.store(out + parts.head + k * E::kGroup);
  for (int64_t i = parts.tail_begin + threadIdx.x; i < count; i += blockDim.x) out[i] = 0;
}

template <bool kCapped, bool kEntropy>
struct ElementGradient {
  Transform<kCapped> transform;
  float lse_high, lse_low;     // lse times the temperature
  float slope, entropy_slope;  // over the temperature; the latter for log p in nats
  float nats;                  // ln 2

  __device__ __forceinline__ float operator()(float x) const {
    const float capped = transform.cap(x);
    const float power = ((capped - lse_high) - lse_low) * transform.scale;  // log2 p
    const float p = exp2_fast(power);
    float factor = slope;
    // p log p is 0 where p is, not 0 x -inf.
    if (kEntropy) factor = fmaf(entropy_slope, fmaxf(power, kLowestPower) * nats, slope);
    const float g = -p * factor;
    return kCapped ? g * transform.slope(capped) : g;
  }
};
template <bool kCapped, bool kEntropy>
__device__ __forceinline__ ElementGradient<kCapped, kEntropy> element_gradient(
    const LogitRow& row, const LogitGradient& gradient) {
  const float inverse = static_cast<float>(1.0 / row.temperature);
  return {transform_of<kCapped>(row),       gradient.lse_high,  gradient.lse_low, gradient.slope * inverse,
          gradient.entropy_slope * inverse, 0.6931471805599453f};
}

template <lap_dtype kType, class Gradient>
__device__ __forceinline__ Group<kType> group_gradient(const Group<kType>& group, const Gradient& gradient,
                                                       int64_t place, float own) {
  using E = Element<kType>;
  Group<kType> out;
#pragma unroll
  for (int i = 0; i < E::kGroup; ++i) {
    const float g = gradient(E::load(group.each[i]));
    out.each[i] = E::store(i == place ? own : g);
  }
  return out;
}

// `own` is the entry of the target.
template <lap_dtype kType, class Gradient>
__device__ __forceinline__ void write_gradient(const typename Element<kType>::Storage* row,
                                               typename Element<kType>::Storage* out, int64_t count,
                                               int64_t target, float own, const Gradient& gradient) {
  using E = Element<kType>;
  const auto write_one = [&](int64_t i) { out[i] = E::store(i == target ? own : gradient(E::load(row[i]))); };
  const RowParts parts = row_parts<kType>(row, count);
  const bool alike = (reinterpret_cast<uintptr_t>(row) ^ reinterpret_cast<uintptr_t>(out)) % 16 == 0;
  if (!alike) {
    for (int64_t i = threadIdx.x; i < count; i += blockDim.x) write_one(i);
    return;
  }
  for (int64_t i = threadIdx.x; i < parts.head; i += blockDim.x) write_one(i);
  const int64_t stride = blockDim.x;
  const auto* from = row + parts.head;
  auto* to = out + parts.head;
  const int64_t place = target - parts.head;
  int64_t k = threadIdx.x;
  for (; k + (kUnroll - 1) * stride < parts.groups; k += kUnroll * stride) {
    Group<kType> groups[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) groups[u] = Group<kType>::load(from + (k + u * stride) * E::kGroup);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const int64_t begin = (k + u * stride) * E::kGroup;
      group_gradient<kType>(groups[u], gradient, place - begin, own).store(to + begin);
    }
  }
  for (; k < parts.groups; k += stride) {
    const Group<kType> group = Group<kType>::load(from + k * E::kGroup);
    group_gradient<kType>(group, gradient, place - k * E::kGroup, own).store(to + k * E::kGroup);
  }
  for (int64_t i = parts.tail_begin + threadIdx.x; i < count; i += blockDim.x) write_one(i);
}

}  // namespace lapidary::cuda
