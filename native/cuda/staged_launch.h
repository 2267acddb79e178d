// How many blocks share a row that is held in shared memory, and the launch of such kernels. The choice
// depends on the row's length, its type and the device alone: a row's result must not depend on the others.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

namespace lapidary::cuda {

constexpr int kMostClusterBlocks = 8;  // what every device with clusters runs

struct StagedPlan {
  unsigned cluster = 0;  // blocks for one row; 0: not to be staged
  size_t shared_bytes = 0;
};

// The shared memory of a device, in bytes.
struct SharedLimits {
  int capability_major = 0, multiprocessors = 0;
  int per_multiprocessor = 0, per_block = 0, reserved_per_block = 0;
};

inline cudaError_t shared_limits(SharedLimits* limits) {
  int device = 0;
  cudaError_t error = cudaGetDevice(&device);
  const auto ask = [&](int* value, auto attribute) {
    if (error == cudaSuccess) error = cudaDeviceGetAttribute(value, attribute, device);
  };
  ask(&limits->capability_major, cudaDevAttrComputeCapabilityMajor);
  ask(&limits->multiprocessors, cudaDevAttrMultiProcessorCount);
  ask(&limits->per_multiprocessor, cudaDevAttrMaxSharedMemoryPerMultiprocessor);
  ask(&limits->per_block, cudaDevAttrMaxSharedMemoryPerBlockOptin);
  ask(&limits->reserved_per_block, cudaDevAttrReservedSharedMemoryPerBlock);
  return error;
}

// For `units` of `unit_bytes` (a multiple of 16) that are shared out whole, in `rows` rows that a block holds
// beside each other. The fewest blocks of which three fit on a multiprocessor, or two where three never do:
// one waits for its rows while another computes and a third writes. Short rows are better read again from a
// cache.
inline StagedPlan staged_plan(int64_t units, int64_t unit_bytes, int rows, size_t fixed_bytes,
                              const SharedLimits& limits) {
  constexpr int64_t kShort = 16 << 10;
  if (units * unit_bytes < kShort) return {};
  const int most = limits.capability_major >= 9 ? kMostClusterBlocks : 1;
  for (const int together : {3, 2}) {
    int64_t room = limits.per_multiprocessor / together - limits.reserved_per_block;
    room = room < limits.per_block ? room : limits.per_block;
    for (int cluster = 1; cluster <= most; cluster *= 2) {
      // One word more for each row than its elements fill, where they do not begin on 16 bytes.
      const int64_t each = (units + cluster - 1) / cluster;
      const int64_t bytes = static_cast<int64_t>(fixed_bytes) + each * unit_bytes + rows * 16;
      if (bytes <= room) return {static_cast<unsigned>(cluster), static_cast<size_t>(bytes)};
    }
  }
  return {};
}

// As many clusters as run at once, each of which takes rows in turn. `launched` is false where the device
// takes none, which depends on the plan and the device.
template <class Args>
cudaError_t launch_staged(void (*kernel)(Args), const StagedPlan& plan, const SharedLimits& limits,
                          unsigned threads, int64_t rows, const Args& args, cudaStream_t stream,
                          bool* launched) {
  *launched = false;
  const int bytes = static_cast<int>(plan.shared_bytes);
  cudaError_t error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (error != cudaSuccess) return error;
  error = cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                               cudaSharedmemCarveoutMaxShared);
  if (error != cudaSuccess) return error;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = plan.cluster;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(plan.cluster);
  config.blockDim = dim3(threads);
  config.dynamicSmemBytes = plan.shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = plan.cluster > 1 ? 1 : 0;
  int resident = 0;
  if (plan.cluster > 1) {
    error = cudaOccupancyMaxActiveClusters(&resident, kernel, &config);
  } else {
    error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&resident, kernel, static_cast<int>(threads),
                                                          plan.shared_bytes);
    resident *= limits.multiprocessors;
  }
  if (error != cudaSuccess || resident <= 0) return error;
  *launched = true;
  const unsigned clusters = static_cast<unsigned>(rows < resident ? rows : resident);
  config.gridDim = dim3(clusters * plan.cluster);
  return cudaLaunchKernelEx(&config, kernel, args);
}

}  // namespace lapidary::cuda
