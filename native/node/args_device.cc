// Arguments of calls on a device.
#include <cstring>

#include "node/args.h"
#include "node/raw_view.h"

namespace lapidary::node {

void Arguments::check(const Status& status) const {
  if (!status.ok()) throw to_error(env(), status, Where::kDevice);
}

void Arguments::throw_elsewhere(const char* name, const std::string& device) const {
  const std::string here = cuda_ == nullptr ? "cpu" : cuda_->stream()->device_name();
  throw_argument(env(), std::string(name) + " is on " + device + "; expected " + here +
                            ", where the call's first tensor is");
}

void* Arguments::device_bytes(const char* name, int64_t count, size_t element_size, Access access,
                              bool anywhere) {
  const Napi::Value value = object_.Get(name);
  const CudaMemory* memory = CudaMemory::from(value);
  if (memory == nullptr) {
    if (value.IsTypedArray()) throw_elsewhere(name, "cpu");
    throw_argument(env(), std::string(name) + " has the wrong type; expected device memory");
  }
  if (!memory->alive()) throw to_error(env(), wrong_state(std::string(name) + " has been disposed of"));
  if (!anywhere && memory->device_name() != cuda_->stream()->device_name()) {
    throw_elsewhere(name, memory->device_name());
  }
  if (count < 0 || memory->bytes() / element_size < static_cast<uint64_t>(count)) {
    throw_argument(env(), std::string(name) + " has " + std::to_string(memory->bytes() / element_size) +
                              " elements; expected " + std::to_string(count));
  }
  if (reinterpret_cast<uintptr_t>(memory->data()) % element_size != 0) {
    throw_argument(env(), std::string(name) + " is not aligned to its element size");
  }
  cuda_->use(memory->block());
  const size_t bytes = static_cast<size_t>(count) * element_size;
  views_.push_back({name, value.As<Napi::Object>(), memory->data(), bytes, false, access, true});
  return memory->data();
}

const void* Arguments::device_input(const char* name, size_t bytes) {
  return device_bytes(name, static_cast<int64_t>(bytes), 1, Access::kRead);
}

const void* Arguments::device_input_anywhere(const char* name, size_t bytes) {
  return device_bytes(name, static_cast<int64_t>(bytes), 1, Access::kRead, true);
}

void* Arguments::device_output(const char* name, size_t bytes) {
  return device_bytes(name, static_cast<int64_t>(bytes), 1, Access::kWrite);
}

const int64_t* Arguments::on_device(const int64_t* host, int64_t count) {
  if (host == nullptr) return nullptr;
  void* there = nullptr;
  check(cuda_->upload(host, static_cast<size_t>(count) * sizeof(int64_t), &there));
  return static_cast<const int64_t*>(there);
}

void* Arguments::device_scratch(size_t bytes) {
  void* memory = nullptr;
  check(cuda_->temporary(bytes, &memory));
  return memory;
}

const void* Arguments::host_or_device_input(const char* name, napi_typedarray_type type, int64_t count,
                                            size_t element_size) {
  if (cuda_ == nullptr || CudaMemory::from(object_.Get(name)) != nullptr) {
    return input_bytes(name, type, count, element_size);
  }
  const View source = view(name, type, count, element_size, Access::kRead);
  void* there = nullptr;
  check(cuda_->upload(source.data, source.bytes, &there));
  return there;
}

void* Arguments::host_or_device_output(const char* name, napi_typedarray_type type, int64_t count,
                                       size_t element_size) {
  if (cuda_ == nullptr || CudaMemory::from(object_.Get(name)) != nullptr) {
    return output_bytes(name, type, count, element_size);
  }
  const View target = view(name, type, count, element_size, Access::kWrite);
  void *there = nullptr, *staged = nullptr;
  check(cuda_->download(target.bytes, &there, &staged));
  copy_back_.push_back({name, Napi::Persistent(target.array), target.data, staged, target.bytes});
  return there;
}

// Borrowed over shared memory, copied where an asynchronous call could lose it: as every array of the CPU.
const void* Arguments::host_input(const char* name, size_t bytes) {
  const View source = any_view(name, bytes, Access::kRead);
  if (!async_ || source.shared) return source.data;
  void* copy = scratch(bytes);
  if (bytes > 0) std::memcpy(copy, source.data, bytes);
  return copy;
}

void* Arguments::host_output(const char* name, size_t bytes) {
  const View target = any_view(name, bytes, Access::kWrite);
  if (!async_ || target.shared) return target.data;
  void* result = scratch(bytes);
  copy_back_.push_back({name, Napi::Persistent(target.array), target.data, result, bytes});
  return result;
}

Arguments::View Arguments::any_view(const char* name, size_t bytes, Access access) {
  RawView raw;
  if (!raw_view(env(), object_.Get(name), &raw)) {
    throw_argument(env(), std::string(name) + " has the wrong type; expected a typed array");
  }
  const size_t size = element_size(raw.type);
  return view(name, raw.type, static_cast<int64_t>((bytes + size - 1) / size), size, access);
}

const char* Arguments::meets(const Arguments& other) const {
  if (!runs_later_) return nullptr;
  for (const View& mine : views_) {
    for (const View& its : other.views_) {
      const bool written = mine.access == Access::kWrite || its.access == Access::kWrite;
      if (mine.on_device && its.on_device && written && its.overlaps(mine.data, mine.bytes)) {
        return its.name.c_str();
      }
    }
  }
  return nullptr;
}

}  // namespace lapidary::node
