// How the linear log-prob operations cut [T,V]: vocabulary tiles outside, blocks of rows inside. Forward and
// backward use the same tiles, so that the backward recomputes the very logits of the forward.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "cpu/carver.h"
#include "cpu/element.h"
#include "cpu/gemm.h"

namespace lapidary {

constexpr int64_t kVocabTile = 512;

inline MatrixView weight_tile(const void* weight, lap_dtype dtype, int64_t stride, int64_t first) {
  const int64_t bytes = first * stride * element_size(dtype);
  // As b[H, tile]: column v of the product is row `first + v` of the weight.
  return {static_cast<const char*>(weight) + bytes, dtype, 1, stride};
}

inline int64_t row_scratch(const Implementation& cpu) { return (kGemmRows + cpu.tile_rows) * kGemmDepth; }

}  // namespace lapidary
