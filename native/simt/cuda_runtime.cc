#include "simt/cuda_runtime.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "simt/stream.h"

namespace {

std::mutex guard;
std::map<void*, size_t> blocks;
std::map<char*, size_t> pinned;
size_t used = 0;
thread_local cudaError_t last = cudaSuccess;

size_t from_environment(const char* name, size_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<size_t>(std::strtoull(text, nullptr, 10));
}
size_t total_memory() { return from_environment("LAPIDARY_SIMT_MEMORY", size_t{4} << 30); }
bool has_clusters() { return from_environment("LAPIDARY_SIMT_CAPABILITY", 90) >= 90; }
int shared_per_multiprocessor() { return (has_clusters() ? 228 : 164) << 10; }
int shared_per_block() { return shared_per_multiprocessor() - (1 << 10); }
std::map<const void*, int>& dynamic_limits = *new std::map<const void*, int>;

int device_count() { return static_cast<int>(from_environment("LAPIDARY_SIMT_DEVICES", 1)); }

cudaError_t fail(cudaError_t error) { return last = error; }

// NaN in every float type: fresh memory holds nothing, and freed memory is nobody's.
void poison(void* memory, size_t bytes, cudaStream_t stream) {
  simt::enqueue(stream, [=] { std::memset(memory, 0xff, bytes); });
}

// Counted as free at once, as the pool may give it out again on the same stream; gone when the stream is
// there.
cudaError_t free_on(void* memory, cudaStream_t stream) {
  const std::lock_guard<std::mutex> lock(guard);
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return fail(cudaErrorInvalidValue);
  used -= found->second;
  poison(memory, found->second, stream);
  blocks.erase(found);
  simt::enqueue(stream, [=] { std::free(memory); });
  return cudaSuccess;
}

bool is_pinned(const void* memory, size_t bytes) {
  const std::lock_guard<std::mutex> lock(guard);
  const char* begin = static_cast<const char*>(memory);
  const auto after = pinned.upper_bound(const_cast<char*>(begin));
  if (after == pinned.begin()) return false;
  const auto& [start, size] = *std::prev(after);
  return begin + bytes <= start + size;
}

}  // namespace

extern "C" {

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    default:
      return "cudaErrorNotReady";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNotReady:
      return "device not ready";
    default:
      return "invalid argument";
  }
}
cudaError_t cudaGetLastError(void) {
  const cudaError_t error = last;
  last = cudaSuccess;
  return error;
}
cudaError_t cudaPeekAtLastError(void) { return last; }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = device_count();
  return *count > 0 ? cudaSuccess : fail(cudaErrorNoDevice);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= device_count()) return fail(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "SIMT shim on the host");
  properties->major = has_clusters() ? 9 : 8;
  properties->multiProcessorCount = 2;
  properties->totalGlobalMem = total_memory();
  properties->sharedMemPerBlockOptin = static_cast<size_t>(shared_per_block());
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  switch (attribute) {
    case cudaDevAttrMultiProcessorCount:
      *value = 2;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = has_clusters() ? 9 : 8;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = 0;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = shared_per_multiprocessor();
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = shared_per_block();
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = 1 << 10;
      break;
    default:
      return fail(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  return device >= 0 && device < device_count() ? cudaSuccess : fail(cudaErrorInvalidDevice);
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free_bytes, size_t* total) {
  const std::lock_guard<std::mutex> lock(guard);
  *total = total_memory();
  *free_bytes = *total > used ? *total - used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** out, size_t bytes) {
  const std::lock_guard<std::mutex> lock(guard);
  *out = nullptr;
  if (bytes == 0) return cudaSuccess;
  if (bytes > total_memory() || used + bytes > total_memory()) return fail(cudaErrorMemoryAllocation);
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, bytes) != 0) return fail(cudaErrorMemoryAllocation);
  blocks[memory] = bytes;
  used += bytes;
  *out = memory;
  return cudaSuccess;
}
cudaError_t cudaFree(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  simt::drain();
  return free_on(memory, nullptr);
}
cudaError_t cudaMallocAsync(void** out, size_t bytes, cudaStream_t stream) {
  const cudaError_t error = cudaMalloc(out, bytes);
  if (error == cudaSuccess && bytes > 0) poison(*out, bytes, stream);
  return error;
}
cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  return memory == nullptr ? cudaSuccess : free_on(memory, stream);
}
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* pool, int) {
  *pool = nullptr;
  return cudaSuccess;
}
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned) {
  *out = std::malloc(bytes == 0 ? 1 : bytes);
  if (*out == nullptr) return fail(cudaErrorMemoryAllocation);
  return cudaHostRegister(*out, bytes, 0);
}
cudaError_t cudaFreeHost(void* memory) {
  if (memory == nullptr) return cudaSuccess;
  simt::drain();
  const cudaError_t error = cudaHostUnregister(memory);
  if (error == cudaSuccess) std::free(memory);
  return error;
}
cudaError_t cudaHostRegister(void* memory, size_t bytes, unsigned) {
  const std::lock_guard<std::mutex> lock(guard);
  return pinned.emplace(static_cast<char*>(memory), bytes).second ? cudaSuccess : fail(cudaErrorInvalidValue);
}
cudaError_t cudaHostUnregister(void* memory) {
  const std::lock_guard<std::mutex> lock(guard);
  return pinned.erase(static_cast<char*>(memory)) == 1 ? cudaSuccess : fail(cudaErrorInvalidValue);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (bytes == 0) return cudaSuccess;
  simt::enqueue(stream, [=] { std::memmove(to, from, bytes); });
  // What is not pinned is read or written before the call returns.
  const void* host = kind == cudaMemcpyHostToDevice ? from : kind == cudaMemcpyDeviceToHost ? to : nullptr;
  return host != nullptr && !is_pinned(host, bytes) ? cudaStreamSynchronize(stream) : cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  if (bytes > 0) simt::enqueue(stream, [=] { std::memset(memory, value, bytes); });
  return cudaSuccess;
}

// Within one process only: the handle holds the address.
cudaError_t cudaIpcGetMemHandle(cudaIpcMemHandle_t* handle, void* memory) {
  const std::lock_guard<std::mutex> lock(guard);
  if (blocks.count(memory) == 0) return fail(cudaErrorInvalidValue);
  *handle = {};
  std::memcpy(handle->reserved, &memory, sizeof memory);
  return cudaSuccess;
}
cudaError_t cudaIpcOpenMemHandle(void** memory, cudaIpcMemHandle_t handle, unsigned) {
  std::memcpy(memory, handle.reserved, sizeof *memory);
  const std::lock_guard<std::mutex> lock(guard);
  return blocks.count(*memory) == 0 ? fail(cudaErrorInvalidValue) : cudaSuccess;
}
cudaError_t cudaIpcCloseMemHandle(void*) { return cudaSuccess; }

}  // extern "C"

cudaError_t simt_set_attribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value > shared_per_block()) return fail(cudaErrorInvalidValue);
  const std::lock_guard<std::mutex> lock(guard);
  dynamic_limits[kernel] = value;
  return cudaSuccess;
}
unsigned simt_checked_cluster(const void* kernel, const cudaLaunchConfig_t* config) {
  const std::lock_guard<std::mutex> lock(guard);
  const auto limit = dynamic_limits.find(kernel);
  const size_t most = limit == dynamic_limits.end() ? 48 << 10 : static_cast<size_t>(limit->second);
  unsigned cluster = 1;
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    if (config->attrs[i].id == cudaLaunchAttributeClusterDimension)
      cluster = config->attrs[i].val.clusterDim.x;
  }
  const bool allowed = cluster == 1 || (has_clusters() && cluster <= 8);
  return allowed && config->dynamicSmemBytes <= most && config->gridDim.x % cluster == 0 ? cluster : 0;
}
