// A matrix of 16-bit elements as the bulk tensor copies see it. Encoded on the host, passed to the kernel by
// value as a __grid_constant__ parameter.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "lapidary/base.h"

namespace lapidary::cuda {

// As large as the driver's CUtensorMap, whose contents are not documented.
struct alignas(128) TensorMap {
  uint64_t words[16];
};

// What the copies need: rows that begin at multiples of 16 bytes, less than 2^40 bytes apart.
bool tensor_map_fits(const void* data, int64_t row_stride);

// [rows, width], rows `row_stride` elements apart, in boxes of `box_rows` rows (256 at most) by 64 elements
// that are laid out with the 128-byte swizzle. The encoder is looked up in the driver at run time.
cudaError_t encode_tensor_map(const void* data, lap_dtype dtype, int64_t rows, int64_t width,
                              int64_t row_stride, int box_rows, TensorMap* out);

}  // namespace lapidary::cuda
