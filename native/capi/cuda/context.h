// A device, a stream, the last error; and the pattern of every function of the CUDA half of the C ABI.
#pragma once

#include <cuda_runtime.h>

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "core/status.h"
#include "cuda/gemm.h"
#include "cuda/head_block.h"
#include "lapidary/cuda.h"

struct lap_cuda_context {
  int device;
  cudaStream_t stream;
  bool owns_stream;
  std::string error;
  std::unique_ptr<lapidary::cuda::Gemm> gemm = nullptr;                        // where it has been needed
  lapidary::cuda::HeadKernel head_kernel = lapidary::cuda::HeadKernel::kNone;  // see linear_wgmma.h
};

namespace lapidary::cuda {

inline Status as_status(cudaError_t error, const std::string& doing) {
  if (error == cudaSuccess) return ok_status();
  // Taken off the thread's record, or a later launch would be blamed for it.
  cudaGetLastError();
  const std::string message = doing + ": " + cudaGetErrorName(error) + " (" + cudaGetErrorString(error) + ")";
  if (error == cudaErrorMemoryAllocation) return out_of_memory("on the device, " + message);
  return {LAP_DEVICE_ERROR, message};
}

// Runs `call` with the context's device current, keeps its message, and lets no exception pass into C.
template <class Call>
lap_status guarded(lap_cuda_context* ctx, const Call& call) {
  if (ctx == nullptr) return LAP_INVALID_ARGUMENT;
  try {
    Status status = as_status(cudaSetDevice(ctx->device), "choosing the device");
    if (status.ok()) status = call();
    ctx->error = std::move(status.message);
    return status.code;
  } catch (const std::bad_alloc&) {
    ctx->error.clear();  // a message could need memory again
    return LAP_OUT_OF_MEMORY;
  }
}

// Puts a kernel on the stream if `check` has nothing against its arguments, as far as the host can see them.
template <class Args>
lap_status launch_checked(lap_cuda_context* ctx, const Args* args,
                          Status (*check)(const Args*, bool contents),
                          cudaError_t (*launch)(const Args&, cudaStream_t)) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args, false));
    return as_status(launch(*args, ctx->stream), "launching a kernel");
  });
}

inline Status enqueue_copy(lap_cuda_context* ctx, void* to, const void* from, size_t bytes,
                           cudaMemcpyKind kind) {
  if (bytes == 0) return ok_status();
  if (to == nullptr || from == nullptr) return invalid("a buffer is NULL; expected memory");
  return as_status(cudaMemcpyAsync(to, from, bytes, kind, ctx->stream), "copying");
}

// Gives back what the device's pool keeps for the next allocation, as soon as the stream has passed its
// frees.
inline cudaError_t trim(lap_cuda_context* ctx) {
  const cudaError_t waited = cudaStreamSynchronize(ctx->stream);
  if (waited != cudaSuccess) return waited;
  cudaMemPool_t pool = nullptr;
  const cudaError_t found = cudaDeviceGetDefaultMemPool(&pool, ctx->device);
  return found != cudaSuccess ? found : cudaMemPoolTrimTo(pool, 0);
}

}  // namespace lapidary::cuda
