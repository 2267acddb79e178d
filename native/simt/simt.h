// CUDA C++ on the host, for tests: a small SIMT machine that runs the kernel sources as they are. Every
// thread of a block is a fiber; a warp runs until all of its lanes wait (shuffle, vote, barrier) or have
// ended, then the next one does, so warps drift as far apart as the barriers let them, and the blocks of a
// cluster too, and a barrier that was left out shows. One cluster of blocks at a time, one launch at a time.
// A barrier that not all lanes reach is reported and ends the process. The blocks of a cluster have dynamic
// shared memory of their own, but static shared memory is one variable for all of them: kernels for clusters
// use the former only.
//
// Not covered: tensor cores and bulk copies but for those of hopper.h, other inline PTX, the memory model,
// speed, the rounding of fast maths.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

namespace simt {

// What the running fiber sees; the scheduler sets it before every switch.
struct Position {
  uint3 thread, block;
  dim3 block_size, grid_size;
};
extern Position position;
extern void* dynamic_shared;
extern size_t dynamic_shared_bytes;

enum class Wait : uint8_t { kNone, kShuffle, kBallot, kWarp, kBlock, kCluster, kYield };

// Gives `value` to the lanes that ask for it and returns that of lane `source`, once all lanes of the warp
// are here.
uint64_t exchange(Wait kind, uint64_t value, int source);
void block_barrier();
void cluster_barrier();
// The running block among those of its cluster, and their dynamic shared memory.
unsigned cluster_rank();
unsigned cluster_size();
void* shared_of(unsigned rank);
// What lies at `own` of this block's dynamic shared memory, in that of block `rank`.
void* map_shared(void* own, unsigned rank);
// The running thread among those of its cluster.
int thread_index();
// Lets the other warps run: for a thread that polls what they change. Whoever changes it says so, or else a
// block in which all only poll is reported.
void yield();
void note_progress();
int lane();

// Runs `kernel` once per thread of every block; `cluster` blocks that follow each other along x run together.
void launch_clusters(dim3 grid, dim3 block, unsigned cluster, size_t shared_bytes,
                     const std::function<void()>& kernel);

template <class... Parameters, class... Given>
std::function<void()> bind_arguments(void (*kernel)(Parameters...), Given&&... given) {
  return [kernel, arguments = std::tuple<std::decay_t<Parameters>...>(std::forward<Given>(given)...)] {
    std::apply(kernel, arguments);
  };
}

template <class T>
T shuffle(T value, int source) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = exchange(Wait::kShuffle, bits, source);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace simt

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __shared__ static
#define __restrict__ __restrict

// No macros: structs of the runtime have members of these names.
inline const uint3& threadIdx = simt::position.thread;
inline const uint3& blockIdx = simt::position.block;
inline const dim3& blockDim = simt::position.block_size;
inline const dim3& gridDim = simt::position.grid_size;
constexpr int warpSize = 32;

inline void __syncthreads() { simt::block_barrier(); }
inline void __syncwarp(unsigned = ~0u) { simt::exchange(simt::Wait::kWarp, 0, 0); }
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  return simt::shuffle(value, simt::lane() ^ mask);
}
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta) {
  const int source = simt::lane() + static_cast<int>(delta);
  return simt::shuffle(value, source < warpSize ? source : simt::lane());
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned delta) {
  const int source = simt::lane() - static_cast<int>(delta);
  return simt::shuffle(value, source >= 0 ? source : simt::lane());
}
template <class T>
T __shfl_sync(unsigned, T value, int source) {
  return simt::shuffle(value, source & (warpSize - 1));
}
inline unsigned __ballot_sync(unsigned, int predicate) {
  return static_cast<unsigned>(simt::exchange(simt::Wait::kBallot, predicate != 0, 0));
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __syncthreads_or(int predicate) {
  static int gathered;
  __syncthreads();
  gathered = 0;
  __syncthreads();
  if (predicate) gathered = 1;
  __syncthreads();
  return gathered;
}
template <class T>
T __ldg(const T* address) {
  return *address;
}
template <class T>
T __ldcs(const T* address) {
  return *address;
}
template <class T>
T __ldcg(const T* address) {
  return *address;
}
template <class T>
void __stcs(T* address, T value) {
  *address = value;
}
inline int __popc(unsigned value) { return __builtin_popcount(value); }
inline int __ffs(int value) { return __builtin_ffs(value); }
inline void __threadfence() {}
// Fibers run one at a time.
inline int atomicAdd(int* address, int value) {
  const int old = *address;
  *address += value;
  return old;
}
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  const unsigned old = *address;
  *address += value;
  return old;
}
inline unsigned long long atomicAdd(unsigned long long* address, unsigned long long value) {
  const unsigned long long old = *address;
  *address += value;
  return old;
}
inline unsigned long long atomicExch(unsigned long long* address, unsigned long long value) {
  const unsigned long long old = *address;
  *address = value;
  return old;
}
