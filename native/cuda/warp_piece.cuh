// A piece of kPieceColumns entries of a row, by one warp: a lane has four and four of them, so that every
// access is one of 16 bytes per lane (8 for elements of 16 bits) side by side.
#pragma once

#include "cuda/block_reduce.cuh"
#include "cuda/element.cuh"
#include "cuda/head_block.h"

namespace lapidary::cuda {

constexpr int kLaneColumns = kPieceColumns / 32;
static_assert(kLaneColumns == 8);

// The column within the piece of the lane's entry `i`.
__device__ __forceinline__ int lane_column(int i) {
  return (i / 4) * (kPieceColumns / 2) + static_cast<int>(threadIdx.x % 32) * 4 + i % 4;
}

// In a fixed order, the same for every lane.
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, Combine combine) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value = combine(value, __shfl_xor_sync(kAllLanes, value, step));
  return value;
}

// Entries past `count` are -inf; whole groups of four lie in the buffer.
__device__ __forceinline__ void load_logits(const float* piece, int64_t count, float (&out)[kLaneColumns]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float4 four = *reinterpret_cast<const float4*>(piece + lane_column(4 * half));
    const float values[4] = {four.x, four.y, four.z, four.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) out[4 * half + i] = lane_column(4 * half + i) < count ? values[i] : -INFINITY;
  }
}

// Four entries as one access moves them.
template <lap_dtype kType>
struct Four {
  using E = Element<kType>;
  union {
    float4 wide;
    uint2 narrow;
    typename E::Storage each[4];
  };
  __device__ __forceinline__ void load(const typename E::Storage* from) {
    if (sizeof(*from) == 4)
      wide = *reinterpret_cast<const float4*>(from);
    else
      narrow = *reinterpret_cast<const uint2*>(from);
  }
  __device__ __forceinline__ void store(typename E::Storage* to) const {
    if (sizeof(*to) == 4)
      *reinterpret_cast<float4*>(to) = wide;
    else
      *reinterpret_cast<uint2*>(to) = narrow;
  }
};

// Groups of four that begin before `room` are there, whole: `room` is a multiple of four.
template <lap_dtype kType>
__device__ __forceinline__ void store_piece(typename Element<kType>::Storage* piece, int64_t room,
                                            const float (&values)[kLaneColumns]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    if (lane_column(4 * half) >= room) continue;
    Four<kType> four;
#pragma unroll
    for (int i = 0; i < 4; ++i) four.each[i] = Element<kType>::store(values[4 * half + i]);
    four.store(piece + lane_column(4 * half));
  }
}
template <lap_dtype kType>
__device__ __forceinline__ void load_piece(const typename Element<kType>::Storage* piece, int64_t room,
                                           float (&values)[kLaneColumns]) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    Four<kType> four;
    const bool inside = lane_column(4 * half) < room;
    if (inside) four.load(piece + lane_column(4 * half));
#pragma unroll
    for (int i = 0; i < 4; ++i) values[4 * half + i] = inside ? Element<kType>::load(four.each[i]) : 0.f;
  }
}

}  // namespace lapidary::cuda
