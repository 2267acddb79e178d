// How the linear log-prob operations cut [T,V]: vocabulary tiles outside, blocks of rows inside. Forward and
// backward use the same tiles, so that the backward recomputes the very logits of the forward.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/element.h"
#include "cpu/gemm.h"

namespace lapidary {

constexpr int64_t kVocabTile = 512;

inline MatrixView weight_tile(const void* weight, lap_dtype dtype, int64_t stride, int64_t first) {
  const int64_t bytes = first * stride * element_size(dtype);
  // As b[H, tile]: column v of the product is row `first + v` of the weight.
  return {static_cast<const char*>(weight) + bytes, dtype, 1, stride};
}

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

inline int64_t row_scratch(const Implementation& cpu) { return (kGemmRows + cpu.tile_rows) * kGemmDepth; }

}  // namespace lapidary
