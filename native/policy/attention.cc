#include "policy/attention.h"

#include <algorithm>
#include <cstring>

namespace lapidary {
namespace {

// A head is a few vectors wide: a call of memcpy per row would cost more than the copy.
inline void copy_head(const float* from, int64_t width, float* to) {
  int64_t d = 0;
  for (; d + 8 <= width; d += 8) std::memcpy(to + d, from + d, 8 * sizeof(float));
  for (; d < width; ++d) to[d] = from[d];
}

void scatter(const HeadShape& shape, const float* from, int64_t rows, float* to, int64_t stride) {
  for (int64_t r = 0; r < rows; ++r) copy_head(from + r * shape.padded, shape.width, to + r * stride);
}

RowsView from_row(const RowsView& rows, int64_t row) { return {rows.data + row * rows.stride, rows.stride}; }

struct BackwardScratch {
  BackwardScratch(float* base, const HeadShape& shape, int64_t stride) {
    const auto take = [&base](int64_t size) {
      float* piece = base;
      base += size;
      return piece;
    };
    key_blocks = take(shape.width * stride);
    value_blocks = take(shape.width * stride);
    dkeys = take(shape.padded * stride);
    dvalues = take(shape.padded * stride);
    dqueries = take(shape.padded * kQueryBlock);
    probabilities = take(kQueryBlock * stride);
    dscores = take(kQueryBlock * stride);
  }
  float *key_blocks, *value_blocks;  // [stride / 8, width, 8]
  float *dkeys, *dvalues;            // [stride, padded]
  float* dqueries;                   // [kQueryBlock, padded]
  float *probabilities, *dscores;    // [kQueryBlock, stride]
};

}  // namespace

void store_position(const HeadShape& shape, const HeadCache& cache, int64_t position, const float* key,
                    const float* value) {
  float* block = cache.keys + position / 8 * 8 * shape.width + position % 8;
  for (int64_t d = 0; d < shape.width; ++d) block[8 * d] = key[d];
  float* row = cache.values + position * shape.padded;
  copy_head(value, shape.width, row);
  for (int64_t d = shape.width; d < shape.padded; ++d) row[d] = 0.f;
}

int64_t attend_scratch(const HeadShape& shape, int64_t stride) {
  return kQueryBlock * (shape.padded + stride + 2);
}

void attend_rows(const Implementation& cpu, const HeadShape& shape, const AttentionForward& head,
                 float* scratch) {
  float* result = scratch;
  float* scores = result + kQueryBlock * shape.padded;
  float* spare = scores + kQueryBlock * head.key_stride;
  // Results come in whole vectors, which must not reach into the next head.
  const bool direct = shape.width == shape.padded;
  for (int64_t begin = 0; begin < head.rows; begin += kQueryBlock) {
    const int64_t count = std::min(kQueryBlock, head.rows - begin);
    float* out = head.out + begin * head.out_stride;
    cpu.attend({count, head.first + begin, shape.width, head.key_stride, shape.scale,
                from_row(head.queries, begin), head.keys, head.values, scores, direct ? out : result,
                direct ? head.out_stride : shape.padded, head.maxima == nullptr ? spare : head.maxima + begin,
                head.inverses == nullptr ? spare + kQueryBlock : head.inverses + begin});
    if (!direct) scatter(shape, result, count, out, head.out_stride);
  }
}

int64_t attention_backward_scratch(const HeadShape& shape, int64_t length) {
  return (2 * shape.width + 2 * shape.padded + 2 * kQueryBlock) * round_up_8(length) +
         kQueryBlock * shape.padded;
}

void attention_backward(const Implementation& cpu, const HeadShape& shape, const AttentionBackward& head,
                        float* scratch) {
  const int64_t length = head.length, stride = round_up_8(length);
  const BackwardScratch s(scratch, shape, stride);
  const RowsView queries{head.q, head.stride}, keys{head.k, head.stride}, values{head.v, head.stride};
  cpu.block_keys(keys, length, shape.width, s.key_blocks);
  cpu.block_keys(values, length, shape.width, s.value_blocks);
  std::fill_n(s.dkeys, shape.padded * stride, 0.f);
  std::fill_n(s.dvalues, shape.padded * stride, 0.f);
  for (int64_t begin = 0; begin < length; begin += kQueryBlock) {
    const int64_t rows = std::min(kQueryBlock, length - begin);
    cpu.attend_backward({rows, begin, shape.width, stride, shape.scale, from_row(queries, begin),
                         from_row(head.dout, begin), keys, s.key_blocks, s.value_blocks, head.maxima + begin,
                         head.inverses + begin, s.probabilities, s.dscores, s.dqueries, s.dkeys, s.dvalues});
    // No later block reads these queries; keys are read to the end.
    scatter(shape, s.dqueries, rows, head.q + begin * head.stride, head.stride);
  }
  scatter(shape, s.dkeys, length, head.k, head.stride);
  scatter(shape, s.dvalues, length, head.v, head.stride);
}

}  // namespace lapidary
