#pragma once

#include <cstddef>
#include <cstdint>

namespace lapidary {

// Hands out pieces of a caller's workspace, 64-byte aligned whatever the base; with a null base it only
// measures.
class Carver {
 public:
  explicit Carver(void* base) : base_(static_cast<char*>(base)) {
    if (base_ != nullptr) used_ = (64 - reinterpret_cast<uintptr_t>(base_) % 64) % 64;
  }
  template <class T>
  T* take(int64_t count) {
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return piece;
  }
  // Bytes that hold everything taken, at any alignment of the base.
  size_t bytes() const { return used_ + 64; }

 private:
  char* base_;
  size_t used_ = 0;
};

}  // namespace lapidary
