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

}  // namespace lapidary::cuda
