// The only code that turns JS values into native ones. Every view is checked for its element type and length
// when it is read, on the JS thread, and the pointer and the length are read together.
//
// Whose memory a job works on: a synchronous call borrows the arrays for its duration. An asynchronous one
// borrows arrays over a SharedArrayBuffer (they can be neither detached nor shrunk), and copies all others:
// inputs when the call is made, outputs when it settles. Indices are checked once and then trusted, so those
// in shared memory, which other threads may write meanwhile, are copied by both.
//
// Where a `stream` is among the arguments the call is on its device, and so are all tensors of it (CudaMemory
// in place of typed arrays). Masks, offsets, stats and diagnostics may lie on the host even then: they are
// sent over when they are read, and results come back when the call is waited for.
//
// An output may overlap nothing else of the call, except the input that `in_place` names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "node/cuda_call.h"
#include "node/external_memory.h"

namespace lapidary::node {

class Arguments {
 public:
  Arguments(Napi::Object object, bool async);

  Napi::Env env() const { return object_.Env(); }
  // NULL where the call is on the CPU.
  CudaCall* cuda() const { return cuda_.get(); }
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
    return static_cast<const double*>(host_or_device_input(name, napi_float64_array, count, sizeof(double)));
  }
  // Indices into other arrays.
  const int32_t* ints(const char* name, int64_t count) {
    return static_cast<const int32_t*>(
        input_bytes(name, napi_int32_array, count, sizeof(int32_t), Shared::kCopied));
  }
  // A flag that another thread raises: shared memory, never a copy.
  const int32_t* flag(const char* name);
  const uint8_t* optional_bytes(const char* name, int64_t count);
  // Offsets come as Float64Array or Int32Array of whole numbers; always copied to int64, on the host.
  const int64_t* offsets(const char* name, int64_t count);
  // Of a call on a device: a copy there for its duration; NULL stays NULL.
  const int64_t* on_device(const int64_t* host, int64_t count);
  void* device_scratch(size_t bytes);
  // Float32Array for LAP_F32, Uint16Array for LAP_BF16.
  const void* matrix(const char* name, lap_dtype dtype, int64_t count);

  float* float_output(const char* name, int64_t count) {
    return output<float>(name, napi_float32_array, count);
  }
  float* optional_float_output(const char* name, int64_t count) {
    return has(name) ? float_output(name, count) : nullptr;
  }
  double* double_output(const char* name, int64_t count) {
    return static_cast<double*>(host_or_device_output(name, napi_float64_array, count, sizeof(double)));
  }
  int32_t* int_output(const char* name, int64_t count) {
    return output<int32_t>(name, napi_int32_array, count);
  }
  void* matrix_output(const char* name, lap_dtype dtype, int64_t count);

  // A range of device memory, by itself: of a copy.
  const void* device_input(const char* name, size_t bytes);
  const void* device_input_anywhere(const char* name, size_t bytes);  // of any device
  void* device_output(const char* name, size_t bytes);
  // The bytes of a typed array of any type.
  const void* host_input(const char* name, size_t bytes);
  void* host_output(const char* name, size_t bytes);

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
  // A call that reads or writes device memory when it runs, not when it is made: others must not meet it.
  void runs_later() { runs_later_ = true; }
  // The argument that an earlier call of that kind is still to read or write where `other` does, or null.
  const char* meets(const Arguments& other) const;
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
    bool on_device;

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
  const void* host_or_device_input(const char* name, napi_typedarray_type type, int64_t count,
                                   size_t element_size);
  void* host_or_device_output(const char* name, napi_typedarray_type type, int64_t count,
                              size_t element_size);
  View any_view(const char* name, size_t bytes, Access access);
  void* device_bytes(const char* name, int64_t count, size_t element_size, Access access,
                     bool anywhere = false);
  [[noreturn]] void throw_elsewhere(const char* name, const std::string& device) const;
  void check(const Status& status) const;

  Napi::Object object_;  // valid during the call only
  bool async_;
  bool runs_later_ = false;
  ExternalMemory memory_;
  std::unique_ptr<CudaCall> cuda_;
  std::vector<std::unique_ptr<unsigned char[]>> owned_;
  std::vector<View> views_;
  std::pair<std::string, std::string> in_place_;
  std::vector<Napi::ObjectReference> references_;
  std::vector<CopyBack> copy_back_;
};

}  // namespace lapidary::node
