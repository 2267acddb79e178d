#include "capi/cuda/context.h"

using namespace lapidary;
using cuda::as_status;
using cuda::guarded;

namespace {

Status copy(lap_cuda_context* ctx, void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  if (bytes == 0) return ok_status();
  if (to == nullptr || from == nullptr) return invalid("a buffer is NULL; expected host and device memory");
  LAP_TRY(as_status(cudaMemcpyAsync(to, from, bytes, kind, ctx->stream), "copying"));
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
