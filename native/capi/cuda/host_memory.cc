#include "capi/cuda/context.h"

using namespace lapidary;
using cuda::as_status;
using cuda::enqueue_copy;
using cuda::guarded;

lap_status lap_cuda_allocate_host(lap_cuda_context* ctx, size_t bytes, void** out) {
  return guarded(ctx, [&]() -> Status {
    if (out == nullptr) return invalid("out is NULL; expected a place for the pointer");
    *out = nullptr;
    if (bytes == 0) return ok_status();
    return as_status(cudaHostAlloc(out, bytes, cudaHostAllocDefault),
                     "allocating " + std::to_string(bytes) + " pinned bytes on the host");
  });
}

lap_status lap_cuda_free_host(lap_cuda_context* ctx, void* memory) {
  return guarded(ctx, [&]() -> Status {
    if (memory == nullptr) return ok_status();
    return as_status(cudaFreeHost(memory), "freeing pinned memory");
  });
}

lap_status lap_cuda_register_host(lap_cuda_context* ctx, void* memory, size_t bytes) {
  return guarded(ctx, [&]() -> Status {
    if (memory == nullptr || bytes == 0) return invalid("memory is empty; expected host memory to pin");
    return as_status(cudaHostRegister(memory, bytes, cudaHostRegisterDefault),
                     "pinning " + std::to_string(bytes) + " bytes of the host");
  });
}

lap_status lap_cuda_unregister_host(lap_cuda_context* ctx, void* memory) {
  return guarded(ctx, [&] { return as_status(cudaHostUnregister(memory), "unpinning memory"); });
}

lap_status lap_cuda_upload_async(lap_cuda_context* ctx, void* device, const void* pinned, size_t bytes) {
  return guarded(ctx, [&] { return enqueue_copy(ctx, device, pinned, bytes, cudaMemcpyHostToDevice); });
}

lap_status lap_cuda_download_async(lap_cuda_context* ctx, void* pinned, const void* device, size_t bytes) {
  return guarded(ctx, [&] { return enqueue_copy(ctx, pinned, device, bytes, cudaMemcpyDeviceToHost); });
}
