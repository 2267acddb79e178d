#include <cstring>

#include "capi/cuda/context.h"

using namespace lapidary;
using cuda::as_status;
using cuda::guarded;

namespace {

static_assert(sizeof(lap_cuda_ipc_handle) == sizeof(cudaIpcMemHandle_t));

// The driver's own unit: smaller allocations share one, and a handle would give all of it away.
constexpr size_t kUnit = size_t{2} << 20;

}  // namespace

lap_status lap_cuda_allocate_shareable(lap_cuda_context* ctx, size_t bytes, void** out) {
  return guarded(ctx, [&]() -> Status {
    if (out == nullptr) return invalid("out is NULL; expected a place for the pointer");
    *out = nullptr;
    if (bytes == 0) return ok_status();
    if (bytes > SIZE_MAX - kUnit) return invalid("bytes does not fit into memory");
    const size_t rounded = (bytes + kUnit - 1) / kUnit * kUnit;
    cudaError_t error = cudaMalloc(out, rounded);
    if (error == cudaErrorMemoryAllocation) {
      // What the pool keeps is free to it alone.
      cudaGetLastError();
      error = cuda::trim(ctx);
      if (error == cudaSuccess) error = cudaMalloc(out, rounded);
    }
    return as_status(error, "allocating " + std::to_string(rounded) + " shareable bytes");
  });
}

lap_status lap_cuda_free_shareable(lap_cuda_context* ctx, void* memory) {
  return guarded(ctx, [&]() -> Status {
    if (memory == nullptr) return ok_status();
    LAP_TRY(as_status(cudaStreamSynchronize(ctx->stream), "freeing shareable memory"));
    return as_status(cudaFree(memory), "freeing shareable memory");
  });
}

lap_status lap_cuda_ipc_export(lap_cuda_context* ctx, void* shareable, lap_cuda_ipc_handle* out) {
  return guarded(ctx, [&]() -> Status {
    if (shareable == nullptr || out == nullptr) return invalid("shareable or out is NULL");
    cudaIpcMemHandle_t handle;
    LAP_TRY(as_status(cudaIpcGetMemHandle(&handle, shareable), "exporting memory"));
    std::memcpy(out->bytes, &handle, sizeof handle);
    return ok_status();
  });
}

lap_status lap_cuda_ipc_open(lap_cuda_context* ctx, const lap_cuda_ipc_handle* handle, void** out) {
  return guarded(ctx, [&]() -> Status {
    if (handle == nullptr || out == nullptr) return invalid("handle or out is NULL");
    *out = nullptr;
    cudaIpcMemHandle_t own;
    std::memcpy(&own, handle->bytes, sizeof own);
    return as_status(cudaIpcOpenMemHandle(out, own, cudaIpcMemLazyEnablePeerAccess), "opening shared memory");
  });
}

lap_status lap_cuda_ipc_close(lap_cuda_context* ctx, void* memory) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(as_status(cudaStreamSynchronize(ctx->stream), "closing shared memory"));
    return as_status(cudaIpcCloseMemHandle(memory), "closing shared memory");
  });
}
