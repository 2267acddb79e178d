// Barriers in shared memory and bulk tensor copies (the tensor memory accelerator of sm_90), as PTX.
// Addresses are of shared memory, 32 bits. Under the SIMT shim each has a twin of the same name that does the
// work as late as the rules allow.
#pragma once

#include "cuda/launch.h"
#include "cuda/tensor_map.h"

namespace lapidary::cuda {

__device__ __forceinline__ uint32_t shared_address(const void* pointer) {
#if defined(__CUDACC__)
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
#else
  return simt::shared_address(pointer);
#endif
}

// A phase of the barrier ends with `count` arrivals, once all bytes that were announced have come.
__device__ __forceinline__ void barrier_init(uint32_t barrier, uint32_t count) {
#if defined(__CUDACC__)
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(count) : "memory");
#else
  simt::barrier_init(barrier, count);
#endif
}
// What was initialised is seen by the copies, and by the other blocks of the cluster after its barrier.
__device__ __forceinline__ void barrier_init_fence() {
#if defined(__CUDACC__)
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}
__device__ __forceinline__ void barrier_arrive(uint32_t barrier) {
#if defined(__CUDACC__)
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
#else
  simt::barrier_arrive(barrier, 0);
#endif
}
// Arrives at the barrier that block `rank` of the cluster has at the same address.
__device__ __forceinline__ void barrier_arrive_at(uint32_t barrier, uint32_t rank) {
#if defined(__CUDACC__)
  asm volatile(
      "{\n"
      ".reg .b32 remote;\n"
      "mapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n"
      "}" ::"r"(barrier),
      "r"(rank)
      : "memory");
#else
  simt::barrier_arrive_at(barrier, static_cast<int>(rank));
#endif
}
__device__ __forceinline__ void barrier_arrive_expecting(uint32_t barrier, uint32_t bytes) {
#if defined(__CUDACC__)
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
#else
  simt::barrier_arrive(barrier, bytes);
#endif
}
// Until the phase of this parity has ended. A barrier begins in phase 0, the one before counts as ended.
__device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity) {
#if defined(__CUDACC__)
  uint32_t done;
  do {
    asm volatile(
        "{\n"
        ".reg .pred ended;\n"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 ended, [%1], %2;\n"
        "selp.u32 %0, 1, 0, ended;\n"
        "}"
        : "=r"(done)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (done == 0);
#else
  simt::barrier_wait(barrier, parity);
#endif
}

__device__ __forceinline__ void prefetch_map(const TensorMap& map) {
#if defined(__CUDACC__)
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
#endif
}
// Copies the map's box at (column, row) to `to`, which tells `barrier` of the bytes. What lies outside the
// tensor is written as zeros and counted all the same.
__device__ __forceinline__ void copy_box(uint32_t to, const TensorMap& map, int32_t column, int32_t row,
                                         uint32_t barrier) {
#if defined(__CUDACC__)
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
      " [%0], [%1, {%2, %3}], [%4];" ::"r"(to),
      "l"(&map), "r"(column), "r"(row), "r"(barrier)
      : "memory");
#else
  simt::copy_box(1u << simt::cluster_rank(), to, map.words, column, row, barrier);
#endif
}
// The same to the same address of every block of the cluster in `blocks`, each of which tells its own
// barrier.
__device__ __forceinline__ void copy_box_to(uint16_t blocks, uint32_t to, const TensorMap& map,
                                            int32_t column, int32_t row, uint32_t barrier) {
#if defined(__CUDACC__)
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.multicast::cluster"
      " [%0], [%1, {%2, %3}], [%4], %5;" ::"r"(to),
      "l"(&map), "r"(column), "r"(row), "r"(barrier), "h"(blocks)
      : "memory");
#else
  simt::copy_box(blocks, to, map.words, column, row, barrier);
#endif
}

}  // namespace lapidary::cuda
