// What the tests of the CUDA half share: a context, buffers on its device, seeded numbers and counts.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "core/numerics.h"
#include "lapidary.h"
#include "lapidary/cuda.h"

namespace cuda_test {

inline int passed = 0, failed = 0;

inline void check(bool ok, const std::string& what) {
  if (!ok) std::printf("FAIL %s\n", what.c_str());
  ++(ok ? passed : failed);
}

inline int finish() {
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}

inline lap_cuda_context* open_context() {
  lap_cuda_context* ctx = nullptr;
  if (lap_cuda_context_create(0, nullptr, &ctx) == LAP_OK) return ctx;
  std::printf("no context on device 0\n");
  std::exit(1);
}

// The CPU's half, on one thread, for answers to compare with.
inline lap_context* open_cpu() {
  lap_context_options options{};
  options.struct_size = sizeof options;
  options.threads = 1;
  lap_context* cpu = nullptr;
  if (lap_context_create(&options, &cpu) == LAP_OK) return cpu;
  std::printf("no context on the CPU\n");
  std::exit(1);
}

// A copy of host values on the device, which begins `shift` elements past a 256-byte boundary.
template <class T>
class OnDevice {
 public:
  OnDevice(lap_cuda_context* ctx, std::vector<T> values, size_t shift = 0)
      : ctx_(ctx), count_(values.size()), shift_(shift) {
    if (lap_cuda_allocate(ctx, (count_ + shift + 1) * sizeof(T), &memory_) != LAP_OK) std::abort();
    lap_cuda_upload(ctx, data(), values.data(), count_ * sizeof(T));
  }
  OnDevice(const OnDevice&) = delete;
  ~OnDevice() { lap_cuda_free(ctx_, memory_); }

  T* data() { return static_cast<T*>(memory_) + shift_; }
  std::vector<T> host() {
    std::vector<T> out(count_);
    lap_cuda_download(ctx_, out.data(), data(), count_ * sizeof(T));
    return out;
  }

 private:
  lap_cuda_context* ctx_;
  void* memory_ = nullptr;
  size_t count_, shift_;
};

// Both NaN, equal, or no further apart than `bound` times 1 + |b|.
inline bool is_near(double a, double b, double bound) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) == std::isnan(b);
  return a == b || std::fabs(a - b) <= bound * (1 + std::fabs(b));
}

// z of a logit in double, by the definition of lap_logit_transform, and its slope.
inline double transformed(double logit, double temperature, double softcap) {
  const bool plain = softcap == 0 || std::isinf(logit);
  return (plain ? logit : softcap * std::tanh(logit / softcap)) / temperature;
}
inline double transform_slope(double logit, double temperature, double softcap) {
  const double share = softcap == 0 ? 0 : std::tanh(logit / softcap);
  return (1 - share * share) / temperature;
}

// A matrix of one of the element types, as stored and as read.
struct Matrix {
  lap_dtype dtype;
  std::vector<uint8_t> bytes;
  size_t size() const { return bytes.size() / element_bytes(); }
  size_t element_bytes() const { return dtype == LAP_F32 ? 4 : 2; }

  Matrix(lap_dtype type, size_t count) : dtype(type), bytes(count * (type == LAP_F32 ? 4 : 2)) {}
  void set(size_t i, float value) {
    if (dtype == LAP_F32) {
      std::memcpy(bytes.data() + 4 * i, &value, 4);
      return;
    }
    const uint16_t bits = dtype == LAP_BF16 ? lapidary::f32_to_bf16(value) : lapidary::f32_to_f16(value);
    std::memcpy(bytes.data() + 2 * i, &bits, 2);
  }
  float get(size_t i) const { return read(bytes.data(), i); }
  float read(const uint8_t* from, size_t i) const {
    if (dtype == LAP_F32) {
      float value;
      std::memcpy(&value, from + 4 * i, 4);
      return value;
    }
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, 2);
    return dtype == LAP_BF16 ? lapidary::bf16_to_f32(bits) : lapidary::f16_to_f32(bits);
  }
};

inline const char* name_of(lap_dtype dtype) {
  return dtype == LAP_F32 ? "f32" : dtype == LAP_BF16 ? "bf16" : "f16";
}

}  // namespace cuda_test
