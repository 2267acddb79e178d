// Reductions over a block, in a fixed order. Every thread of the block takes part and has the result.
// `scratch` is shared memory of kMaxWarps entries that nobody else uses until the next barrier after the
// call.
#pragma once

#include "cuda/launch.h"

namespace lapidary::cuda {

constexpr int kMaxWarps = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

template <class T, class Combine>
__device__ __forceinline__ T block_reduce(T value, T* scratch, Combine combine) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = (blockDim.x + 31) / 32;
#pragma unroll
  for (int step = 16; step > 0; step /= 2) value = combine(value, __shfl_xor_sync(kAllLanes, value, step));
  if (warps == 1) return value;
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = scratch[0];
  for (int i = 1; i < warps; ++i) value = combine(value, scratch[i]);
  __syncthreads();
  return value;
}

struct Add {
  template <class T>
  __device__ __forceinline__ T operator()(T a, T b) const {
    return a + b;
  }
};

}  // namespace lapidary::cuda
