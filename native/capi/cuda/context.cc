#include "capi/cuda/context.h"

#include <cstdio>

#include "cuda/linear_wgmma.h"

using namespace lapidary;
using cuda::as_status;
using cuda::guarded;

namespace {

// The pool keeps freed memory for the next allocation.
cudaError_t keep_pool(int device) {
  cudaMemPool_t pool = nullptr;
  const cudaError_t found = cudaDeviceGetDefaultMemPool(&pool, device);
  if (found != cudaSuccess) return found;
  uint64_t threshold = UINT64_MAX;
  return cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold);
}

cudaError_t open_stream(lap_cuda_context* ctx, void* stream) {
  const cudaError_t chosen = cudaSetDevice(ctx->device);
  if (chosen != cudaSuccess) return chosen;
  const cudaError_t kept = keep_pool(ctx->device);
  if (kept != cudaSuccess) return kept;
  ctx->stream = static_cast<cudaStream_t>(stream);
  ctx->owns_stream = stream == nullptr;
  return ctx->owns_stream ? cudaStreamCreateWithFlags(&ctx->stream, cudaStreamNonBlocking) : cudaSuccess;
}

}  // namespace

int32_t lap_cuda_abi_version(void) { return LAP_ABI_VERSION; }

int32_t lap_cuda_device_count(const char** reason) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) cudaGetLastError();
  if (reason != nullptr) *reason = error == cudaSuccess ? "" : cudaGetErrorString(error);
  return error == cudaSuccess ? count : 0;
}

void lap_cuda_versions(int32_t* driver, int32_t* runtime) {
  int found = 0;
  *driver = cudaDriverGetVersion(&found) == cudaSuccess ? found : 0;
  *runtime = cudaRuntimeGetVersion(&found) == cudaSuccess ? found : 0;
  cudaGetLastError();
}

lap_status lap_cuda_device_describe(int32_t index, lap_cuda_device* out) {
  if (out == nullptr || out->struct_size != sizeof *out) return LAP_INVALID_ARGUMENT;
  cudaDeviceProp properties;
  if (cudaGetDeviceProperties(&properties, index) != cudaSuccess) {
    cudaGetLastError();
    return LAP_INVALID_ARGUMENT;
  }
  std::snprintf(out->name, sizeof out->name, "%s", properties.name);
  out->major = properties.major;
  out->minor = properties.minor;
  out->multiprocessors = properties.multiProcessorCount;
  out->memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  return LAP_OK;
}

lap_status lap_cuda_context_create(int32_t device, void* stream, lap_cuda_context** out) {
  if (out == nullptr) return LAP_INVALID_ARGUMENT;
  *out = nullptr;
  if (device < 0 || device >= lap_cuda_device_count(nullptr)) return LAP_INVALID_ARGUMENT;
  auto* made = new (std::nothrow) lap_cuda_context{device, nullptr, false, {}};
  if (made == nullptr) return LAP_OUT_OF_MEMORY;
  const cudaError_t error = open_stream(made, stream);
  if (error != cudaSuccess) {
    cudaGetLastError();
    delete made;
    return error == cudaErrorMemoryAllocation ? LAP_OUT_OF_MEMORY : LAP_DEVICE_ERROR;
  }
  made->head_kernel = cuda::chosen_head_kernel(device);
  *out = made;
  return LAP_OK;
}

void lap_cuda_context_destroy(lap_cuda_context* ctx) {
  if (ctx == nullptr) return;
  if (ctx->owns_stream && cudaSetDevice(ctx->device) == cudaSuccess) {
    cudaStreamSynchronize(ctx->stream);
    cudaStreamDestroy(ctx->stream);
  }
  delete ctx;
}

const char* lap_cuda_error_message(const lap_cuda_context* ctx) {
  return ctx == nullptr ? "ctx is NULL" : ctx->error.c_str();
}

void* lap_cuda_context_stream(const lap_cuda_context* ctx) { return ctx == nullptr ? nullptr : ctx->stream; }

lap_status lap_cuda_synchronize(lap_cuda_context* ctx) {
  return guarded(ctx,
                 [&] { return as_status(cudaStreamSynchronize(ctx->stream), "waiting for the stream"); });
}
