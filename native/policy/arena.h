// Memory for activations that is kept between calls and only grows.
#pragma once

#include <cstddef>
#include <cstdlib>

#include "core/status.h"

namespace lapidary {

class Arena {
 public:
  Arena() = default;
  ~Arena() { std::free(data_); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // At least `bytes`, zeroed when new: kernels read whole vectors past the end of a row, and what stood in
  // fresh memory could be slow to compute with.
  Status reserve(size_t bytes, const char* what, void** out) {
    if (bytes > size_) {
      std::free(data_);
      size_ = 0;
      data_ = std::calloc(bytes, 1);
      if (data_ == nullptr) return out_of_memory(what);
      size_ = bytes;
    }
    *out = data_;
    return ok_status();
  }

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace lapidary
