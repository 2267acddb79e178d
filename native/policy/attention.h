// Causal attention of one head of one sequence. Training and sampling lay keys and values out the same way
// and sum in the same order, so that a token's result is the same to the bit in both.
#pragma once

#include <cmath>
#include <cstdint>

#include "cpu/implementation.h"
#include "policy/config.h"

namespace lapidary {

inline int64_t round_up_8(int64_t n) { return (n + 7) / 8 * 8; }

struct HeadShape {
  explicit HeadShape(const PolicyConfig& config)
      : width(config.head_width()),
        padded(round_up_8(width)),
        scale(static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)))) {}
  int64_t width, padded;
  float scale;  // of the scores
};

// Queries are taken in blocks of this many rows, which bounds the scratch for scores.
constexpr int64_t kQueryBlock = 16;

// Up to `stride` positions of one head, stride a multiple of 8: keys in blocks of 8 positions
// (AttentionRows), values as rows of `padded`.
struct HeadCache {
  float *keys, *values;
  int64_t stride;
};
inline int64_t head_cache_size(const HeadShape& shape, int64_t stride) {
  return (shape.width + shape.padded) * stride;
}
inline HeadCache head_cache(float* base, const HeadShape& shape, int64_t stride) {
  return {base, base + shape.width * stride, stride};
}

void store_position(const HeadShape& shape, const HeadCache& cache, int64_t position, const float* key,
                    const float* value);

// Queries at positions [first, first + rows) against `keys` in blocks for key_stride positions, to `out`.
// maxima and inverses [rows] are kept for the backward, or null.
struct AttentionForward {
  int64_t first, rows;
  RowsView queries;
  const float* keys;
  int64_t key_stride;
  RowsView values;
  float* out;
  int64_t out_stride;
  float *maxima, *inverses;
};
int64_t attend_scratch(const HeadShape& shape, int64_t stride);
void attend_rows(const Implementation& cpu, const HeadShape& shape, const AttentionForward& head,
                 float* scratch);

// A whole sequence of `length`: turns its q, k, v (rows `stride` apart) into their gradients, given those of
// the head's output.
struct AttentionBackward {
  int64_t length;
  float *q, *k, *v;
  int64_t stride;
  RowsView dout;
  const float *maxima, *inverses;
};
int64_t attention_backward_scratch(const HeadShape& shape, int64_t length);
void attention_backward(const Implementation& cpu, const HeadShape& shape, const AttentionBackward& head,
                        float* scratch);

}  // namespace lapidary
