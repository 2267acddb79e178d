#include "node/cuda_object.h"

#if defined(_WIN32)
#include <windows.h>
#else
#include <dlfcn.h>
#endif

#include <atomic>
#include <mutex>
#include <new>

namespace lapidary::node {
namespace {

// Never destroyed, like the object: threads may call it while the process ends.
std::atomic<const CudaObject*> loaded{nullptr};

#if defined(_WIN32)
void* open_library(const std::string& path, std::string* reason) {
  HMODULE handle = LoadLibraryA(path.c_str());
  if (handle == nullptr)
    *reason = path + " could not be loaded (error " + std::to_string(GetLastError()) + ")";
  return handle;
}
void* symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
#else
void* open_library(const std::string& path, std::string* reason) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* said = handle == nullptr ? dlerror() : nullptr;
  if (handle == nullptr) *reason = path + " could not be loaded (" + (said ? said : "no reason given") + ")";
  return handle;
}
void* symbol(void* library, const char* name) { return dlsym(library, name); }
#endif

// Node unloads an addon whose last environment has ended, and what it knows of the object would be lost.
void stay_loaded() {
#if !defined(_WIN32)
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&load_cuda), &self) != 0) {
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE);
  }
#endif
}

// The name of the first function that is missing, or NULL.
const char* find_all(void* library, CudaObject* object) {
#define LAP_CUDA_FUNCTION(name)                                                                \
  object->name = reinterpret_cast<decltype(object->name)>(symbol(library, "lap_cuda_" #name)); \
  if (object->name == nullptr) return "lap_cuda_" #name;
#include "node/cuda_functions.inc"
#undef LAP_CUDA_FUNCTION
  return nullptr;
}

}  // namespace

const CudaObject* loaded_cuda() { return loaded.load(std::memory_order_acquire); }

const CudaObject* load_cuda(const std::string& path, std::string* reason) {
  static std::mutex& one_at_a_time = *new std::mutex;
  std::lock_guard<std::mutex> lock(one_at_a_time);
  if (const CudaObject* object = loaded_cuda()) return object;
  void* library = open_library(path, reason);
  if (library == nullptr) return nullptr;
  // Before all else: the other functions may not be what this addon takes them for.
  const auto version =
      reinterpret_cast<decltype(&lap_cuda_abi_version)>(symbol(library, "lap_cuda_abi_version"));
  if (version == nullptr || version() != LAP_ABI_VERSION) {
    const std::string found =
        version == nullptr ? "no ABI version" : "ABI version " + std::to_string(version());
    *reason = path + " has " + found + "; this addon needs " + std::to_string(LAP_ABI_VERSION);
    return nullptr;
  }
  auto* object = new CudaObject;
  object->path = path;
  if (const char* missing = find_all(library, object)) {
    *reason = path + " has no " + missing + "; build it from the same sources as the addon";
    delete object;
    return nullptr;
  }
  stay_loaded();
  loaded.store(object, std::memory_order_release);
  return object;
}

}  // namespace lapidary::node
