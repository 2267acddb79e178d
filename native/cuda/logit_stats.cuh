// A block's pass over one row of logits: maximum, sum of exponentials, weighted sum, the place of the
// maximum, all without the target (finish_row of objective/logit_math.h says why). One read of the row; a
// thread has kUnroll groups of 16 bytes under way. kLast: nobody reads the row again soon.
#pragma once

#include "cuda/block_reduce.cuh"
#include "cuda/element.cuh"
#include "objective/logit_math.h"

namespace lapidary::cuda {

constexpr int kUnroll = 4;
// What has less than 2^-140 of the largest counts as nothing; also what -inf is raised to where it meets a
// factor 0.
constexpr float kLowestPower = -140.f;

// The transform of a row, in f32: z = cap(x) / temperature. Sums are relative to the maximum of cap(x), and
// the difference is what gets divided: a rounding of z itself would grow with |z|.
template <bool kCapped>
struct Transform {
  float scale;  // log2(e) / temperature
  float softcap, inverse_softcap;
  __device__ __forceinline__ float cap(float x) const {
    if (!kCapped || x == -INFINITY) return x;
    return softcap * tanhf(x * inverse_softcap);
  }
  __device__ __forceinline__ float slope(float capped) const {
    if (!kCapped || capped == -INFINITY) return 1.f;
    const float share = capped * inverse_softcap;
    return (1.f - share) * (1.f + share);
  }
};
template <bool kCapped>
__device__ __forceinline__ Transform<kCapped> transform_of(const LogitRow& row) {
  return {static_cast<float>(1.4426950408889634 / row.temperature), row.softcap,
          kCapped ? 1.f / row.softcap : 0.f};
}

// One thread's share; the sums are relative to `max`.
template <bool kWeighted>
struct ThreadStats {
  float max = -INFINITY;
  float sum = 0.f, weighted = 0.f;
  int64_t top = -1;  // the first element of the group where the maximum was first seen

  __device__ __forceinline__ void raise(float to, int64_t index, float scale) {
    if (sum > 0.f) {
      const float gap = max - to, factor = exp2_fast(gap * scale);
      if (kWeighted) weighted = factor == 0.f ? 0.f : factor * (weighted + gap * sum);
      sum *= factor;
    }
    max = to;
    top = index;
  }
  __device__ __forceinline__ void add(float capped, float reference, float scale) {
    const float gap = capped - reference;
    const float e = exp2_fast(gap * scale);
    sum += e;
    // NaN reaches the sum; here it must only not turn 0 x -inf into one of its own.
    if (kWeighted) weighted = fmaf(e, fmaxf(gap, kLowestPower / scale), weighted);
  }
};

template <int kCount, bool kWeighted, class AnyTransform>
__device__ __forceinline__ void add_values(float (&x)[kCount], int64_t index, const AnyTransform& transform,
                                           ThreadStats<kWeighted>* stats) {
  float largest = -INFINITY;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    x[i] = transform.cap(x[i]);
    largest = fmaxf(largest, x[i]);
  }
  if (largest > stats->max) stats->raise(largest, index, transform.scale);
  // As long as nothing but -inf was seen, any number does: all of it is 0, and a NaN goes through.
  const float reference = stats->max == -INFINITY ? 0.f : stats->max;
#pragma unroll
  for (int i = 0; i < kCount; ++i) stats->add(x[i], reference, transform.scale);
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__device__ __forceinline__ void add_group(Group<kType> group, int64_t begin, int64_t target,
                                          const Transform<kCapped>& transform,
                                          ThreadStats<kWeighted>* stats) {
  using E = Element<kType>;
  float x[E::kGroup];
#pragma unroll
  for (int i = 0; i < E::kGroup; ++i) x[i] = E::load(group.each[i]);
  const int64_t place = target - begin;
  if (place >= 0 && place < E::kGroup) {
#pragma unroll
    for (int i = 0; i < E::kGroup; ++i)
      if (i == place) x[i] = -INFINITY;
  }
  add_values<E::kGroup>(x, begin, transform, stats);
}

// A thread's share of `groups` groups, the first of which begins with element `first` of the row; load(k)
// gives the k-th.
template <lap_dtype kType, bool kCapped, bool kWeighted, class Load>
__device__ __forceinline__ void add_groups(int64_t groups, int64_t first, int64_t target,
                                           const Transform<kCapped>& transform, const Load& load,
                                           ThreadStats<kWeighted>* stats) {
  using E = Element<kType>;
  const int64_t stride = blockDim.x;
  int64_t k = threadIdx.x;
  for (; k + (kUnroll - 1) * stride < groups; k += kUnroll * stride) {
    Group<kType> batch[kUnroll];
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) batch[u] = load(k + u * stride);
#pragma unroll
    for (int u = 0; u < kUnroll; ++u) {
      const int64_t begin = first + (k + u * stride) * E::kGroup;
      add_group<kType, kCapped, kWeighted>(batch[u], begin, target, transform, stats);
    }
  }
  for (; k < groups; k += stride)
    add_group<kType, kCapped, kWeighted>(load(k), first + k * E::kGroup, target, transform, stats);
}

// Groups are counted from the first element, wherever that lies on 16 bytes: which thread adds up which
// elements must not depend on the row's place in memory, or a row's bits would depend on its place in a
// batch.
template <lap_dtype kType, bool kCapped, bool kWeighted, bool kLast>
__device__ __forceinline__ ThreadStats<kWeighted> thread_stats(const typename Element<kType>::Storage* row,
                                                               int64_t count, int64_t target,
                                                               const Transform<kCapped>& transform) {
  using E = Element<kType>;
  ThreadStats<kWeighted> stats;
  const int past = bytes_past(row);
  const int64_t groups = count / E::kGroup;
  if (past == 0) {
    const auto load = [&](int64_t k) { return Group<kType>::load(row + k * E::kGroup, kLast); };
    add_groups<kType, kCapped, kWeighted>(groups, 0, target, transform, load, &stats);
  } else {
    const auto load = [&](int64_t k) {
      return load_group<kType>(row + k * E::kGroup, past, k > 0 && k + 1 < groups);
    };
    add_groups<kType, kCapped, kWeighted>(groups, 0, target, transform, load, &stats);
  }
  for (int64_t i = groups * E::kGroup + threadIdx.x; i < count; i += blockDim.x) {
    float x[1] = {i == target ? -INFINITY : E::load(row[i])};
    add_values<1>(x, i, transform, &stats);
  }
  return stats;
}

template <int kWarps>
struct StatsScratchOf {
  float maxima[kWarps];
  double sums[kWarps], weighted[kWarps];
  int64_t tops[kWarps];
};
using StatsScratch = StatsScratchOf<kMaxWarps>;

// What all threads found together, in terms of z.
template <bool kWeighted, class Scratch>
__device__ __forceinline__ LogitStats join_stats(ThreadStats<kWeighted> own, float scale, float temperature,
                                                 bool want_top, Scratch* scratch) {
  const float thread_max = own.max;
  const float top = block_reduce(thread_max, scratch->maxima, [](float a, float b) { return fmaxf(a, b); });
  const int64_t thread_top = own.top;
  if (top > own.max) own.raise(top, -1, scale);
  LogitStats stats;
  stats.max = static_cast<double>(top) / temperature;
  stats.sum = block_reduce(static_cast<double>(own.sum), scratch->sums, Add());
  stats.weighted =
      kWeighted ? block_reduce(static_cast<double>(own.weighted), scratch->weighted, Add()) / temperature : 0;
  stats.top_block = -1;
  if (want_top) {
    const int64_t place = thread_max == top && thread_top >= 0 ? thread_top : INT64_MAX;
    const int64_t first =
        block_reduce(place, scratch->tops, [](int64_t a, int64_t b) { return a < b ? a : b; });
    stats.top_block = first == INT64_MAX ? -1 : first;
  }
  return stats;
}

// The row's statistics, for every thread of the block.
template <lap_dtype kType, bool kCapped, bool kWeighted, bool kLast>
__device__ __forceinline__ LogitStats block_stats(const LogitRow& row, int64_t count, int64_t target,
                                                  bool want_top, StatsScratch* scratch) {
  const auto* data = static_cast<const typename Element<kType>::Storage*>(row.data);
  const Transform<kCapped> transform = transform_of<kCapped>(row);
  const auto own = thread_stats<kType, kCapped, kWeighted, kLast>(data, count, target, transform);
  return join_stats(own, transform.scale, row.temperature, want_top, scratch);
}

}  // namespace lapidary::cuda
