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

// [rows, width] with a stride -> [rows, padded] dense, zeros in the padding.
void gather(const HeadShape& shape, const HeadRows& from, int64_t rows, float* to) {
  for (int64_t r = 0; r < rows; ++r, to += shape.padded) {
    copy_head(from.data + r * from.stride, shape.width, to);
    for (int64_t d = shape.width; d < shape.padded; ++d) to[d] = 0.f;
  }
}

void scatter(const HeadShape& shape, const float* from, int64_t rows, float* to, int64_t stride) {
  for (int64_t r = 0; r < rows; ++r) copy_head(from + r * shape.padded, shape.width, to + r * stride);
}

// [rows, padded] -> [padded, stride]; the columns from `rows` on become zero.
void transpose(const HeadShape& shape, const float* from, int64_t rows, int64_t stride, float* to) {
  for (int64_t d = 0; d < shape.padded; ++d) {
    float* row = to + d * stride;
    for (int64_t r = 0; r < rows; ++r) row[r] = from[r * shape.padded + d];
    std::fill(row + rows, row + stride, 0.f);
  }
}

// The scratch of attention_backward, all [stride, padded] but the last three.
struct BackwardScratch {
  BackwardScratch(float* base, const HeadShape& shape, int64_t stride) {
    const int64_t size = shape.padded * stride;
    float** parts[] = {&queries, &keys, &values, &dout, &dqueries, &dkeys, &dvalues, &keys_t, &values_t};
    for (float** part : parts) {
      *part = base;
      base += size;
    }
    probabilities = base;
    dscores = base + kQueryBlock * stride;
  }
  float *queries, *keys, *values, *dout, *dqueries, *dkeys, *dvalues;
  float *keys_t, *values_t;        // [padded, stride]
  float *probabilities, *dscores;  // [kQueryBlock, stride]
};

}  // namespace

void store_position(const HeadShape& shape, const HeadCache& cache, int64_t position, const float* key,
                    const float* value) {
  for (int64_t d = 0; d < shape.width; ++d) cache.keys_t[d * cache.stride + position] = key[d];
  for (int64_t d = shape.width; d < shape.padded; ++d) cache.keys_t[d * cache.stride + position] = 0.f;
  gather(shape, {value, 0}, 1, cache.values + position * shape.padded);
}

int64_t attend_scratch(const HeadShape& shape, int64_t stride) {
  return kQueryBlock * (2 * shape.padded + stride + 2);
}

void attend_rows(const Implementation& cpu, const HeadShape& shape, const HeadRows& queries, int64_t first,
                 int64_t rows, const HeadCache& cache, float* out, int64_t out_stride, float* maxima,
                 float* inverses, float* scratch) {
  float* staged = scratch;
  float* result = staged + kQueryBlock * shape.padded;
  float* scores = result + kQueryBlock * shape.padded;
  float* spare = scores + kQueryBlock * cache.stride;
  for (int64_t begin = 0; begin < rows; begin += kQueryBlock) {
    const int64_t count = std::min(kQueryBlock, rows - begin);
    gather(shape, {queries.data + begin * queries.stride, queries.stride}, count, staged);
    cpu.attend({count, first + begin, shape.padded, cache.stride, shape.scale, staged, cache.keys_t,
                cache.values, scores, result, maxima == nullptr ? spare : maxima + begin,
                inverses == nullptr ? spare + kQueryBlock : inverses + begin});
    scatter(shape, result, count, out + begin * out_stride, out_stride);
  }
}

int64_t attention_backward_scratch(const HeadShape& shape, int64_t length) {
  return (9 * shape.padded + 2 * kQueryBlock) * round_up_8(length);
}

void attention_backward(const Implementation& cpu, const HeadShape& shape, const AttentionBackward& head,
                        float* scratch) {
  const int64_t length = head.length, stride = round_up_8(length), padded = shape.padded;
  const BackwardScratch s(scratch, shape, stride);
  gather(shape, {head.q, head.stride}, length, s.queries);
  gather(shape, {head.k, head.stride}, length, s.keys);
  gather(shape, {head.v, head.stride}, length, s.values);
  gather(shape, head.dout, length, s.dout);
  transpose(shape, s.keys, length, stride, s.keys_t);
  transpose(shape, s.values, length, stride, s.values_t);
  std::fill_n(s.dkeys, padded * stride, 0.f);
  std::fill_n(s.dvalues, padded * stride, 0.f);
  for (int64_t begin = 0; begin < length; begin += kQueryBlock) {
    const int64_t at = begin * padded;
    cpu.attend_backward({std::min(kQueryBlock, length - begin), begin, padded, stride, shape.scale,
                         s.queries + at, s.dout + at, s.keys, s.keys_t, s.values_t, head.maxima + begin,
                         head.inverses + begin, s.probabilities, s.dscores, s.dqueries + at, s.dkeys,
                         s.dvalues});
  }
  scatter(shape, s.dqueries, length, head.q, head.stride);
  scatter(shape, s.dkeys, length, head.k, head.stride);
  scatter(shape, s.dvalues, length, head.v, head.stride);
}

}  // namespace lapidary
