// Clusters of blocks and copies into shared memory that arrive by themselves: instructions of sm_90 and
// later, what sm_80 has in their place (clusters of one block, cp.async), and the shim's twins.
#pragma once

#include <cstring>

#include "cuda/launch.h"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define LAP_HAS_CLUSTERS 1
#endif

namespace lapidary::cuda {

__device__ __forceinline__ unsigned cluster_rank() {
#if defined(LAP_HAS_CLUSTERS)
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
#elif defined(__CUDACC__)
  return 0;
#else
  return simt::cluster_rank();
#endif
}

__device__ __forceinline__ unsigned cluster_size() {
#if defined(LAP_HAS_CLUSTERS)
  unsigned size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
#elif defined(__CUDACC__)
  return 1;
#else
  return simt::cluster_size();
#endif
}

// All threads of all blocks of the cluster; what was written before it, to shared memory of any of them too,
// is seen after it.
__device__ __forceinline__ void cluster_barrier() {
#if defined(LAP_HAS_CLUSTERS)
  asm volatile("barrier.cluster.arrive.release;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
#elif defined(__CUDACC__)
  __syncthreads();
#else
  simt::cluster_barrier();
#endif
}

// What lies at `own` of this block's shared memory, in that of block `rank`. That block must have begun, and
// must not have ended.
template <class T>
__device__ __forceinline__ T* in_block(T* own, unsigned rank) {
#if defined(LAP_HAS_CLUSTERS)
  T* there;
  asm("mapa.u64 %0, %1, %2;" : "=l"(there) : "l"(own), "r"(rank));
  return there;
#elif defined(__CUDACC__)
  return own;
#else
  return static_cast<T*>(simt::map_shared(own, rank));
#endif
}

// One copy after the other into shared memory. All threads call begin and wait, in turns; between them only
// what is not copied may be touched. A __syncthreads() must follow wait.
struct Arrival {
  uint64_t barrier;
#if !defined(__CUDACC__)
  // The shim copies when somebody waits, so that a wait left out shows.
  void* to;
  const void* from;
  unsigned bytes, waits;
#endif

#if defined(LAP_HAS_CLUSTERS)
  static __device__ __forceinline__ unsigned shared_address(const void* memory) {
    return static_cast<unsigned>(__cvta_generic_to_shared(memory));
  }
#endif

  // By one thread, before a barrier of the block.
  __device__ __forceinline__ void prepare() {
#if defined(LAP_HAS_CLUSTERS)
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" ::"r"(shared_address(&barrier)) : "memory");
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#elif !defined(__CUDACC__)
    bytes = waits = 0;
#endif
  }

  // Both addresses and `count` are multiples of 16, count is less than 2^20. Nobody uses the shared memory
  // any more: every thread has called release and passed a barrier since.
  __device__ __forceinline__ void begin(void* shared, const void* global, unsigned count) {
#if defined(LAP_HAS_CLUSTERS)
    if (threadIdx.x != 0) return;
    const unsigned place = shared_address(&barrier);
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" ::"r"(place), "r"(count) : "memory");
    if (count == 0) return;
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
            shared_address(shared)),
        "l"(__cvta_generic_to_global(global)), "r"(count), "r"(place)
        : "memory");
#elif defined(__CUDA_ARCH__)
    const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
    const size_t from = __cvta_generic_to_global(global);
    for (unsigned i = 16 * threadIdx.x; i < count; i += 16 * blockDim.x)
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + i), "l"(from + i) : "memory");
#elif !defined(__CUDACC__)
    if (threadIdx.x != 0) return;
    to = shared;
    from = global;
    bytes = count;
#endif
  }

  // `parity`: how many copies this block has waited for before, modulo 2.
  __device__ __forceinline__ void wait(unsigned parity) {
#if defined(LAP_HAS_CLUSTERS)
    asm volatile(
        "{\n\t"
        ".reg .pred arrived;\n\t"
        "again:\n\t"
        "mbarrier.try_wait.parity.shared::cta.b64 arrived, [%0], %1;\n\t"
        "@!arrived bra again;\n\t"
        "}" ::"r"(shared_address(&barrier)),
        "r"(parity)
        : "memory");
#elif defined(__CUDA_ARCH__)
    asm volatile("cp.async.wait_all;" ::: "memory");
#elif !defined(__CUDACC__)
    // A wrong parity would have gone on before the copy has arrived, or never.
    if (threadIdx.x == 0 && parity == waits++ % 2) std::memcpy(to, from, bytes);
#endif
  }

  // A thread's own writes to the shared memory come before the copy that a thread begins after a barrier.
  static __device__ __forceinline__ void release() {
#if defined(LAP_HAS_CLUSTERS)
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
  }
};

}  // namespace lapidary::cuda
