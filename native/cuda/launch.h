// How kernels are launched, for nvcc and for the SIMT shim alike; the only place that knows of the
// difference.
#pragma once

#include <cuda_runtime.h>

#if defined(__CUDACC__)
#define LAP_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
// Of a kernel that has __cluster_dims__(cluster, 1, 1).
#define LAP_LAUNCH_CLUSTER(kernel, cluster, grid, block, shared_bytes, stream, ...) \
  LAP_LAUNCH(kernel, grid, block, shared_bytes, stream, __VA_ARGS__)
// Dynamic shared memory of a kernel, aligned to 16 bytes.
#define LAP_DYNAMIC_SHARED(name) extern __shared__ __align__(16) unsigned char name[]
#else
// Arguments are copied before the launch, as the device does.
#define LAP_LAUNCH(kernel, grid, block, shared_bytes, stream, ...) \
  ::simt::launch_on((stream), (grid), (block), 1, (shared_bytes), ::simt::bind_arguments(kernel, __VA_ARGS__))
#define LAP_LAUNCH_CLUSTER(kernel, cluster, grid, block, shared_bytes, stream, ...) \
  ::simt::launch_on((stream), (grid), (block), (cluster), (shared_bytes),           \
                    ::simt::bind_arguments(kernel, __VA_ARGS__))
#define __cluster_dims__(...)
#define __grid_constant__
#define LAP_DYNAMIC_SHARED(name) \
  unsigned char* const name = static_cast<unsigned char*>(::simt::dynamic_shared)
#endif
