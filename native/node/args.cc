#include "node/args.h"

#include <cmath>
#include <cstring>
#include <new>

#include "node/cuda_handles.h"
#include "node/raw_view.h"

namespace lapidary::node {

Arguments::Arguments(Napi::Object object, bool async)
    : object_(object), async_(async), memory_(object.Env()) {
  if (has("stream")) {
    cuda_ = std::make_unique<CudaCall>(StreamHandle::of(env(), object_.Get("stream"), "stream"), async);
  }
}

bool Arguments::has(const char* name) const {
  const Napi::Value value = object_.Get(name);
  return !value.IsUndefined() && !value.IsNull();
}

double Arguments::number(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsNumber()) throw_argument(env(), std::string(name) + " is not a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t Arguments::integer(const char* name) const {
  const double value = number(name);
  // Node-API's own conversions wrap or clamp; a size must be what was written.
  if (!(value >= -9007199254740992.0 && value <= 9007199254740992.0) || value != std::floor(value)) {
    throw_argument(env(), std::string(name) + " is " + std::to_string(value) + "; expected a whole number");
  }
  return static_cast<int64_t>(value);
}

int32_t Arguments::int32(const char* name) const {
  const int64_t value = integer(name);
  if (value < INT32_MIN || value > INT32_MAX) {
    throw_argument(env(), std::string(name) + " is " + std::to_string(value) + "; expected a 32-bit integer");
  }
  return static_cast<int32_t>(value);
}

bool Arguments::boolean(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsBoolean()) throw_argument(env(), std::string(name) + " is not a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string Arguments::text(const char* name) const {
  const Napi::Value value = object_.Get(name);
  if (!value.IsString()) throw_argument(env(), std::string(name) + " is not a string");
  return value.As<Napi::String>().Utf8Value();
}

bool Arguments::View::overlaps(const void* other, size_t other_bytes) const {
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data), from = reinterpret_cast<uintptr_t>(other);
  return bytes > 0 && other_bytes > 0 && begin < from + other_bytes && from < begin + bytes;
}

Arguments::View Arguments::view(const char* name, napi_typedarray_type type, int64_t count,
                                size_t element_size, Access access) {
  const Napi::Value value = object_.Get(name);
  RawView raw;
  if (!raw_view(env(), value, &raw) || raw.type != type) {
    if (const CudaMemory* memory = CudaMemory::from(value)) throw_elsewhere(name, memory->device_name());
    throw_argument(env(), std::string(name) + " has the wrong type; expected a " + type_name(type));
  }
  if (count < 0 || raw.elements < static_cast<uint64_t>(count)) {
    throw_argument(env(), std::string(name) + " has " + std::to_string(raw.elements) + " elements" +
                              (raw.elements == 0 ? " (a detached buffer has none)" : "") + "; expected " +
                              std::to_string(count));
  }
  if (reinterpret_cast<uintptr_t>(raw.data) % element_size != 0) {
    throw_argument(env(), std::string(name) + " is not aligned to its element size");
  }
  const Napi::Object array = value.As<Napi::Object>();
  if (raw.shared && async_) keep(array);
  const size_t bytes = static_cast<size_t>(count) * element_size;
  views_.push_back({name, array, raw.data, bytes, raw.shared, access, false});
  return views_.back();
}

void Arguments::check_memory() {
  for (const View& one : views_) {
    RawView raw;
    // An asynchronous call has copied what could move, and so has one on a device; outputs are looked at
    // again when it settles.
    if (!async_ && cuda_ == nullptr && one.bytes > 0 &&
        (!raw_view(env(), one.array, &raw) || raw.data != one.data || raw.bytes() < one.bytes)) {
      throw_argument(env(), one.name + " was detached or shrunk while the arguments were read");
    }
    if (one.access == Access::kRead) continue;
    for (const View& other : views_) {
      if (&one == &other || !one.overlaps(other.data, other.bytes)) continue;
      const bool same = one.data == other.data && one.bytes == other.bytes;
      if (same && one.name == in_place_.first && other.name == in_place_.second) continue;
      throw_argument(
          env(),
          one.name + " overlaps " + other.name + "; expected memory of its own" +
              (one.name == in_place_.first && other.name == in_place_.second ? ", or the very same" : ""));
    }
  }
}

const char* Arguments::unwritten(const Arguments& other) const {
  for (const CopyBack& copy : copy_back_) {
    for (const View& view : other.views_) {
      // The address alone may be that of new memory, where the array has been detached since.
      RawView raw;
      if (view.overlaps(copy.target, copy.bytes) && raw_view(other.env(), copy.array.Value(), &raw) &&
          view.overlaps(raw.data, raw.bytes())) {
        return view.name.c_str();
      }
    }
  }
  return nullptr;
}

void* Arguments::scratch(size_t bytes) {
  owned_.emplace_back(new (std::nothrow) unsigned char[bytes + 64]);
  if (owned_.back() == nullptr)
    throw to_error(env(), out_of_memory("a buffer of " + std::to_string(bytes) + " bytes"));
  memory_.grow(static_cast<int64_t>(bytes));
  const uintptr_t base = reinterpret_cast<uintptr_t>(owned_.back().get());
  return reinterpret_cast<void*>((base + 63) / 64 * 64);
}

const void* Arguments::input_bytes(const char* name, napi_typedarray_type type, int64_t count,
                                   size_t element_size, Shared shared) {
  if (cuda_ != nullptr) return device_bytes(name, count, element_size, Access::kRead);
  const View source = view(name, type, count, element_size, Access::kRead);
  if (source.shared ? shared == Shared::kBorrowed : !async_) return source.data;
  void* copy = scratch(source.bytes);
  if (source.bytes > 0) std::memcpy(copy, source.data, source.bytes);
  return copy;
}

void* Arguments::output_bytes(const char* name, napi_typedarray_type type, int64_t count,
                              size_t element_size) {
  if (cuda_ != nullptr) return device_bytes(name, count, element_size, Access::kWrite);
  const View target = view(name, type, count, element_size, Access::kWrite);
  if (!async_ || target.shared) return target.data;
  void* result = scratch(target.bytes);
  // Some outputs are added to, or are the input of a second phase.
  if (target.bytes > 0) std::memcpy(result, target.data, target.bytes);
  copy_back_.push_back({name, Napi::Persistent(target.array), target.data, result, target.bytes});
  return result;
}

const int32_t* Arguments::flag(const char* name) {
  const View found = view(name, napi_int32_array, 1, sizeof(int32_t), Access::kRead);
  if (!found.shared) throw_argument(env(), std::string(name) + " does not lie in shared memory");
  return static_cast<const int32_t*>(found.data);
}

const uint8_t* Arguments::optional_bytes(const char* name, int64_t count) {
  if (!has(name)) return nullptr;
  return static_cast<const uint8_t*>(host_or_device_input(name, napi_uint8_array, count, 1));
}

const int64_t* Arguments::offsets(const char* name, int64_t count) {
  RawView raw;
  const bool typed = raw_view(env(), object_.Get(name), &raw);
  if (!typed || (raw.type != napi_int32_array && raw.type != napi_float64_array)) {
    throw_argument(env(), std::string(name) + " has the wrong type; expected an Int32Array or Float64Array");
  }
  if (count < 0 || raw.elements < static_cast<uint64_t>(count)) {
    throw_argument(env(), std::string(name) + " has " + std::to_string(raw.elements) +
                              " elements; expected " + std::to_string(count));
  }
  int64_t* copy = static_cast<int64_t*>(scratch(static_cast<size_t>(count) * sizeof(int64_t)));
  for (int64_t i = 0; i < count; ++i) {
    const double value = raw.type == napi_int32_array ? static_cast<const int32_t*>(raw.data)[i]
                                                      : static_cast<const double*>(raw.data)[i];
    if (!(value >= 0 && value <= 9007199254740992.0) || value != std::floor(value)) {
      throw_argument(env(), std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(value) +
                                "; expected a whole number of 0 or more");
    }
    copy[i] = static_cast<int64_t>(value);
  }
  return copy;
}

const void* Arguments::matrix(const char* name, lap_dtype dtype, int64_t count) {
  return dtype == LAP_F32 ? input_bytes(name, napi_float32_array, count, 4)
                          : input_bytes(name, napi_uint16_array, count, 2);
}

void* Arguments::matrix_output(const char* name, lap_dtype dtype, int64_t count) {
  return dtype == LAP_F32 ? output_bytes(name, napi_float32_array, count, 4)
                          : output_bytes(name, napi_uint16_array, count, 2);
}

Status Arguments::finish(Napi::Env env) {
  for (const CopyBack& copy : copy_back_) {
    RawView raw;
    if (!raw_view(env, copy.array.Value(), &raw) || raw.bytes() < copy.bytes) {
      return invalid(copy.name + " was detached or shrunk while the call ran; its result is lost");
    }
    if (copy.bytes > 0) std::memcpy(raw.data, copy.data, copy.bytes);
  }
  return ok_status();
}

}  // namespace lapidary::node
