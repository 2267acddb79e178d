// The rows of the linear log-probs that count, brought together: which rows they are is known on the device
// only, and the host does not wait for it. Rows that count come first, in the caller's order; a kernel of
// ours stops at their number, cuBLASLt multiplies zeros past it.
#pragma once

#include <cuda_runtime.h>

#include "lapidary.h"

namespace lapidary::cuda {

// Of the whole call, on the device; `rows` entries each but for the count.
struct SelectedRows {
  int64_t* count;
  int64_t* indices;     // of compact rows: the caller's row; past the count -1
  int32_t* targets;     // of compact rows; past the count -1
  float* temperatures;  // of compact rows; past the count 1
};

struct RowChoice {
  int64_t rows;
  const int32_t* targets;
  int32_t ignore_index;
  const float* dlogp;  // rows where it is 0 do not count; NULL: only targets say
  lap_logit_transform transform;
};
cudaError_t select_rows(const RowChoice& choice, const SelectedRows& out, cudaStream_t stream);

// A block of compact rows: `rows` of them from `first` on.
struct RowBlock {
  SelectedRows selected;
  int64_t first, rows;
};

// out[r, 0..width) = scales[r] x hidden[row r], and zeros past the rows that count. `scales` holds a factor
// per compact row of the call, of 2^-exponents[0]; NULL: 1. A row of scale 0 is 0 whatever it holds.
struct Gather {
  RowBlock block;
  const void* from;
  int64_t from_stride;
  void* out;
  int64_t out_stride;
  lap_dtype dtype;
  int64_t width;
  const float* scales;
  const float* common;  // three floats, the first a power of two that the scales are divided by; NULL: 1
};
cudaError_t gather_rows(const Gather& gather, cudaStream_t stream);

// out[row r, 0..width) = scales[r] x from[r]; a row of scale 0 is 0 whatever it holds.
struct Scatter {
  RowBlock block;
  const float* from;
  int64_t from_stride;
  float* out;  // dense
  int64_t width;
  const float* scales;
};
cudaError_t scatter_rows(const Scatter& scatter, cudaStream_t stream);

// Zeros in the rows that do not count.
cudaError_t zero_rows(const RowChoice& choice, float* out, int64_t width, cudaStream_t stream);

}  // namespace lapidary::cuda
