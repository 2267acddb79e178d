// Causal attention of one head of one sequence. Training and sampling store keys and values the same way and
// call the same row function, so that a token's result is the same to the bit in both.
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

// Keys [padded, stride] and values [stride, padded] of up to `stride` positions, stride a multiple of 8.
struct HeadCache {
  float *keys_t, *values;
  int64_t stride;
};
inline int64_t head_cache_size(const HeadShape& shape, int64_t stride) { return 2 * shape.padded * stride; }
inline HeadCache head_cache(float* base, const HeadShape& shape, int64_t stride) {
  return {base, base + shape.padded * stride, stride};
}

void store_position(const HeadShape& shape, const HeadCache& cache, int64_t position, const float* key,
                    const float* value);

// Rows of one head inside a matrix of all heads.
struct HeadRows {
  const float* data;
  int64_t stride;
};

// Queries at positions [first, first + rows), whose keys and values are in the cache, to `out`. maxima and
// inverses [rows] are kept for the backward, or null.
int64_t attend_scratch(const HeadShape& shape, int64_t stride);
void attend_rows(const Implementation& cpu, const HeadShape& shape, const HeadRows& queries, int64_t first,
                 int64_t rows, const HeadCache& cache, float* out, int64_t out_stride, float* maxima,
                 float* inverses, float* scratch);

// A whole sequence of `length`: turns its q, k, v (at data, data + width, data + 2 width of the model; rows
// `stride` apart) into their gradients, given those of the head's output.
struct AttentionBackward {
  int64_t length;
  float *q, *k, *v;
  int64_t stride;
  HeadRows dout;
  const float *maxima, *inverses;
};
int64_t attention_backward_scratch(const HeadShape& shape, int64_t length);
void attention_backward(const Implementation& cpu, const HeadShape& shape, const AttentionBackward& head,
                        float* scratch);

}  // namespace lapidary
