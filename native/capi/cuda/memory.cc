#include "capi/cuda/context.h"

using namespace lapidary;
using cuda::as_status;
using cuda::enqueue_copy;
using cuda::guarded;

namespace {

Status copy(lap_cuda_context* ctx, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  LAP_TRY(enqueue_copy(ctx, to, from, bytes, kind));
  return as_status(cudaStreamSynchronize(ctx->stream), "copying");
}

}  // namespace

lap_status lap_cuda_allocate(lap_cuda_context* ctx, size_t bytes, void** out) {
  return guarded(ctx, [&]() -> Status {
    if (out == nullptr) return invalid("out is NULL; expected a place for the pointer");
    *out = nullptr;
    if (bytes == 0) return ok_status();
    return as_status(cudaMallocAsync(out, bytes, ctx->stream),
                     "allocating " + std::to_string(bytes) + " bytes");
  });
}

lap_status lap_cuda_free(lap_cuda_context* ctx, void* memory) {
  return guarded(ctx, [&]() -> Status {
    if (memory == nullptr) return ok_status();
    return as_status(cudaFreeAsync(memory, ctx->stream), "freeing");
  });
}

lap_status lap_cuda_upload(lap_cuda_context* ctx, void* device, const void* host, size_t bytes) {
  return guarded(ctx, [&] { return copy(ctx, device, host, bytes, cudaMemcpyHostToDevice); });
}

lap_status lap_cuda_download(lap_cuda_context* ctx, void* host, const void* device, size_t bytes) {
  return guarded(ctx, [&] { return copy(ctx, host, device, bytes, cudaMemcpyDeviceToHost); });
}

lap_status lap_cuda_fill(lap_cuda_context* ctx, void* device, int32_t value, size_t bytes) {
  return guarded(ctx, [&]() -> Status {
    if (bytes == 0) return ok_status();
    if (device == nullptr) return invalid("device is NULL; expected device memory");
    return as_status(cudaMemsetAsync(device, value, bytes, ctx->stream), "filling");
  });
}

lap_status lap_cuda_copy(lap_cuda_context* ctx, void* to, const void* from, size_t bytes) {
  return guarded(ctx, [&]() -> Status { return enqueue_copy(ctx, to, from, bytes, cudaMemcpyDefault); });
}

lap_status lap_cuda_memory_info(lap_cuda_context* ctx, int64_t* free_bytes, int64_t* total_bytes) {
  return guarded(ctx, [&]() -> Status {
    if (free_bytes == nullptr || total_bytes == nullptr) return invalid("a place for a size is NULL");
    size_t free_here = 0, total = 0;
    LAP_TRY(as_status(cudaMemGetInfo(&free_here, &total), "asking for the device's memory"));
    *free_bytes = static_cast<int64_t>(free_here);
    *total_bytes = static_cast<int64_t>(total);
    return ok_status();
  });
}

lap_status lap_cuda_trim(lap_cuda_context* ctx) {
  return guarded(ctx, [&] { return as_status(cuda::trim(ctx), "trimming the pool"); });
}
