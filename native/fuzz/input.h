// How fuzz targets turn bytes into arguments. Each target builds arguments that are right, in buffers of
// exactly the size they need, so that AddressSanitizer sees one element too much; then spoils some of them in
// ways that the C ABI promises to refuse. What no callee can see (a pointer to too little memory) is not
// tried.
#pragma once

#include <fuzzer/FuzzedDataProvider.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <vector>

#include "lapidary.h"

namespace lapidary::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : bytes_(data, size) {}

  int64_t between(int64_t low, int64_t high) { return bytes_.ConsumeIntegralInRange(low, high); }
  bool flip() { return bytes_.ConsumeBool(); }

  // Below every legal size, or beyond what 64 bits address.
  int64_t impossible_size() {
    static constexpr int64_t kSizes[] = {-1,        INT64_MIN,     INT64_MIN + 1, -(int64_t{1} << 32),
                                         INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    return bytes_.PickValueInArray(kSizes);
  }
  lap_dtype impossible_dtype() {
    static constexpr int32_t kTypes[] = {-1, 3, 4, 77, INT32_MIN, INT32_MAX};
    return static_cast<lap_dtype>(bytes_.PickValueInArray(kTypes));
  }
  float any_float() {
    static constexpr float kFloats[] = {0.f, -0.f, 1.f, -1.f, 1e-45f, 3e38f, INFINITY, -INFINITY, NAN, 88.f};
    return flip() ? bytes_.PickValueInArray(kFloats) : static_cast<float>(between(-4000, 4000)) / 64;
  }

  // A buffer of exactly `count` elements that lives as long as the input. Empty ones are not null.
  template <class T>
  T* buffer(int64_t count) {
    owned_.emplace_back(std::malloc(static_cast<size_t>(count) * sizeof(T)), &std::free);
    return static_cast<T*>(owned_.back().get());
  }
  float* floats(int64_t count) {
    float* out = buffer<float>(count);
    for (int64_t i = 0; i < count; ++i) out[i] = any_float();
    return out;
  }
  // Elements of any type: all bit patterns are legal in each.
  void* elements(lap_dtype dtype, int64_t count) {
    if (dtype == LAP_F32) return floats(count);
    uint16_t* out = buffer<uint16_t>(count);
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint16_t>(between(0, 0xffff));
    return out;
  }
  // Targets below `vocab` or the ignore index; at times one that is neither.
  int32_t* targets(int64_t rows, int64_t vocab, int32_t ignore_index) {
    int32_t* out = buffer<int32_t>(rows);
    for (int64_t t = 0; t < rows; ++t) {
      out[t] = flip() ? ignore_index : static_cast<int32_t>(between(0, vocab - 1));
      if (between(0, 63) == 0) out[t] = static_cast<int32_t>(between(INT32_MIN, INT32_MAX));
    }
    return out;
  }
  // A matrix of which exactly the elements that `rows` rows of `columns` touch are there.
  void* matrix(lap_dtype dtype, int64_t rows, int64_t stride, int64_t columns) {
    return elements(dtype, rows == 0 ? 0 : (rows - 1) * stride + columns);
  }
  lap_dtype dtype() { return static_cast<lap_dtype>(between(LAP_F32, LAP_F16)); }
  lap_logit_transform transform(int64_t rows) {
    lap_logit_transform out{};
    out.temperature = any_float();
    if (flip()) out.temperature = 1;
    if (between(0, 3) == 0) out.temperatures = floats(rows);
    if (between(0, 3) == 0) out.softcap = any_float();
    return out;
  }

 private:
  FuzzedDataProvider bytes_;
  std::vector<std::unique_ptr<void, void (*)(void*)>> owned_;
};

// One of each kind for the whole run: making a thread pool for each input would take most of the time.
inline lap_context* context(bool portable) {
  static lap_context* contexts[2] = {};
  if (contexts[portable] == nullptr) {
    lap_context_options options{sizeof options, 2, portable ? "portable" : nullptr};
    if (lap_context_create(&options, &contexts[portable]) != LAP_OK) std::abort();
  }
  return contexts[portable];
}

// Every call ends well, or is refused with a message.
inline void expect_answer(lap_context* ctx, lap_status status) {
  const bool has_message = lap_error_message(ctx)[0] != '\0';
  if (status == LAP_OK                 ? has_message
      : status == LAP_INVALID_ARGUMENT ? !has_message
                                       : status != LAP_OUT_OF_MEMORY)
    std::abort();
}

}  // namespace lapidary::fuzz
