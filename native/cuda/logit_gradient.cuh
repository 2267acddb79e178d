// A block's pass over one row that writes the gradient: -p_v (slope + entropy_slope log p_v) dz_v/dlogit_v,
// and the target's own entry as given. In place or not; what is written lies on 16 bytes, and what is read
// for it may straddle them.
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
  // Groups under way: a tanh needs the registers of two.
  static constexpr int kBatch = kCapped ? 2 : kUnroll;
  Transform<kCapped> transform;
  float lse_high, low_power;   // lse times the temperature, and what of it remains in powers of 2
  float slope, entropy_slope;  // over the temperature; the latter for log p in nats
  float nats;                  // ln 2

  __device__ __forceinline__ float operator()(float x) const {
    const float capped = transform.cap(x);
    const float power = fmaf(capped - lse_high, transform.scale, low_power);  // log2 p
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
  const Transform<kCapped> transform = transform_of<kCapped>(row);
  return {transform,
          gradient.lse_high,
          -gradient.lse_low * transform.scale,
          gradient.slope * inverse,
          gradient.entropy_slope * inverse,
          0.6931471805599453f};
}

template <lap_dtype kType, class Gradient>
__device__ __forceinline__ Group<kType> group_gradient(const Group<kType>& group, const Gradient& gradient,
                                                       int64_t place, float own) {
  using E = Element<kType>;
  float out[E::kGroup];
#pragma unroll
  for (int i = 0; i < E::kGroup; ++i) out[i] = gradient(E::load(group.each[i]));
  if (place >= 0 && place < E::kGroup) {
#pragma unroll
    for (int i = 0; i < E::kGroup; ++i)
      if (i == place) out[i] = own;
  }
  return Group<kType>::of(out);
}

// Groups that lie on 16 bytes of the output, from load(k), kBatch under way; `place` is the target's, counted
// from the first.
template <lap_dtype kType, int kBatch, class Gradient, class Load>
__device__ __forceinline__ void write_groups(int64_t groups, typename Element<kType>::Storage* to,
                                             int64_t place, float own, const Gradient& gradient,
                                             const Load& load) {
  using E = Element<kType>;
  const int64_t stride = blockDim.x;
  int64_t k = threadIdx.x;
  for (; k + (kBatch - 1) * stride < groups; k += kBatch * stride) {
    Group<kType> batch[kBatch];
#pragma unroll
    for (int u = 0; u < kBatch; ++u) batch[u] = load(k + u * stride);
#pragma unroll
    for (int u = 0; u < kBatch; ++u) {
      const int64_t begin = (k + u * stride) * E::kGroup;
      group_gradient<kType>(batch[u], gradient, place - begin, own).store(to + begin);
    }
  }
  for (; k < groups; k += stride)
    group_gradient<kType>(load(k), gradient, place - k * E::kGroup, own).store(to + k * E::kGroup);
}

// `own` is the entry of the target.
template <lap_dtype kType, class Gradient>
__device__ __forceinline__ void write_gradient(const typename Element<kType>::Storage* row,
                                               typename Element<kType>::Storage* out, int64_t count,
                                               int64_t target, float own, const Gradient& gradient) {
  using E = Element<kType>;
  const auto write_one = [&](int64_t i) { out[i] = E::store(i == target ? own : gradient(E::load(row[i]))); };
  const RowParts parts = row_parts<kType>(out, count);
  const auto* from = row + parts.head;
  const int past = bytes_past(from);
  for (int64_t i = threadIdx.x; i < parts.head; i += blockDim.x) write_one(i);
  if (past == 0) {
    const auto load = [&](int64_t k) { return Group<kType>::load(from + k * E::kGroup); };
    write_groups<kType, Gradient::kBatch>(parts.groups, out + parts.head, target - parts.head, own, gradient,
                                          load);
  } else {
    // Twice the loads for each group: more under way would not fit in registers.
    const auto load = [&](int64_t k) {
      return load_group<kType>(from + k * E::kGroup, past, k > 0 && k + 1 < parts.groups);
    };
    write_groups<kType, 2>(parts.groups, out + parts.head, target - parts.head, own, gradient, load);
  }
  for (int64_t i = parts.tail_begin + threadIdx.x; i < count; i += blockDim.x) write_one(i);
}

}  // namespace lapidary::cuda
