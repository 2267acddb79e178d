// The only code that turns JS values into native ones. Every view is checked for its element type and length
// when it is read, on the JS thread, and the pointer and the length are read together.
//
// Whose memory a job works on: a synchronous call borrows the arrays for its duration. An asynchronous one
// borrows arrays over a SharedArrayBuffer (they can be neither detached nor shrunk), and copies all others:
// inputs when the call is made, outputs when it settles. Indices are checked once and then trusted, so those
// in shared memory, which other threads may write meanwhile, are copied by both.
//
// An output may overlap nothing else of the call, except the input that `in_place` names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/external_memory.h"

namespace lapidary::node {

class Arguments {
 public:
  Arguments(Napi::Object object, bool async) : object_(object), async_(async), memory_(object.Env()) {}

  Napi::Env env() const { return object_.Env(); }
  bool has(const char* name) const;
  int64_t integer(const char* name) const;  // a whole number within +-2^53
  int32_t int32(const char* name) const;    // one that fits
  double number(const char* name) const;
  bool boolean(const char* name) const;
  std::string text(const char* name) const;

  // Inputs and outputs of at least `count` elements; the optional forms give null where the property is
  // absent.
  const float* floats(const char* name, int64_t count) {
    return input<float>(name, napi_float32_array, count);
  }
  const float* optional_floats(const char* name, int64_t count) {
    return has(name) ? floats(name, count) : nullptr;
  }
  const double* doubles(const char* name, int64_t count) {
    return input<double>(name, napi_float64_array, count);
  }
  // Indices into other arrays.
  const int32_t* ints(const char* name, int64_t count) {
    return static_cast<const int32_t*>(
        input_bytes(name, napi_int32_array, count, sizeof(int32_t), Shared::kCopied));
  }
  // A flag that another thread raises: shared memory, never a copy.
  const int32_t* flag(const char* name);
  const uint8_t* optional_bytes(const char* name, int64_t count);
  // Offsets come as Float64Array or Int32Array of whole numbers; always copied to int64.
  const int64_t* offsets(const char* name, int64_t count);
  // Float32Array for LAP_F32, Uint16Array for LAP_BF16.
  const void* matrix(const char* name, lap_dtype dtype, int64_t count);

  float* float_output(const char* name, int64_t count) {
    return output<float>(name, napi_float32_array, count);
  }
  float* optional_float_output(const char* name, int64_t count) {
    return has(name) ? float_output(name, count) : nullptr;
  }
  double* double_output(const char* name, int64_t count) {
    return output<double>(name, napi_float64_array, count);
  }
  int32_t* int_output(const char* name, int64_t count) {
    return output<int32_t>(name, napi_int32_array, count);
  }
  void* matrix_output(const char* name, lap_dtype dtype, int64_t count);

  // Scratch that lives as long as the job.
  void* scratch(size_t bytes);

  // Allows `output` to be the very memory of `input`.
  void in_place(const char* output, const char* input) { in_place_ = {output, input}; }
  // Keeps `value` alive as long as the job.
  void keep(Napi::Object value) { references_.push_back(Napi::Persistent(value)); }
  // After all arguments have been read: no getter among them has moved an array that was read before it, and
  // no output overlaps another array. Throws otherwise.
  void check_memory();
  // The output that `finish` is still to copy into memory that overlaps `other`'s arrays, or null.
  const char* unwritten(const Arguments& other) const;
  // On the JS thread, after the work: copies the outputs back. Fails where an output was detached meanwhile.
  Status finish(Napi::Env env);

 private:
  enum class Access { kRead, kWrite };
  enum class Shared { kBorrowed, kCopied };
  struct View {
    std::string name;
    Napi::Object array;  // valid during the call only
    void* data;
    size_t bytes;
    bool shared;
    Access access;

    bool overlaps(const void* other, size_t other_bytes) const;
  };
  struct CopyBack {
    std::string name;
    Napi::ObjectReference array;
    void* target;  // where the array's memory was at the call
    const void* data;
    size_t bytes;
  };

  View view(const char* name, napi_typedarray_type type, int64_t count, size_t element_size, Access access);
  template <class T>
  const T* input(const char* name, napi_typedarray_type type, int64_t count) {
    return static_cast<const T*>(input_bytes(name, type, count, sizeof(T)));
  }
  template <class T>
  T* output(const char* name, napi_typedarray_type type, int64_t count) {
    return static_cast<T*>(output_bytes(name, type, count, sizeof(T)));
  }
  const void* input_bytes(const char* name, napi_typedarray_type type, int64_t count, size_t element_size,
                          Shared shared = Shared::kBorrowed);
  void* output_bytes(const char* name, napi_typedarray_type type, int64_t count, size_t element_size);

  Napi::Object object_;  // valid during the call only
  bool async_;
  ExternalMemory memory_;
  std::vector<std::unique_ptr<unsigned char[]>> owned_;
  std::vector<View> views_;
  std::pair<std::string, std::string> in_place_;
  std::vector<Napi::ObjectReference> references_;
  std::vector<CopyBack> copy_back_;
};

}  // namespace lapidary::node
