#pragma once

#include <cstddef>
#include <cstdint>

namespace lapidary::cuda {

// Hands out pieces of a caller's device memory, 256-byte aligned whatever the base; with a null base it only
// measures.
class Carver {
 public:
  static constexpr size_t kAlignment = 256;

  explicit Carver(void* base) : base_(static_cast<char*>(base)) {
    if (base_ != nullptr) used_ = (kAlignment - reinterpret_cast<uintptr_t>(base_) % kAlignment) % kAlignment;
  }
  template <class T>
  T* take(int64_t count) {
    return static_cast<T*>(take_bytes(static_cast<size_t>(count) * sizeof(T)));
  }
  void* take_bytes(size_t bytes) {
    void* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
    return piece;
  }
  // Bytes that hold everything taken, at any alignment of the base.
  size_t bytes() const { return used_ + kAlignment; }

 private:
  char* base_;
  size_t used_ = 0;
};

}  // namespace lapidary::cuda
