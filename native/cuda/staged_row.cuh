// A row spread over the shared memory of a cluster's blocks: which part a block has, how it gets there, and
// the statistics and the gradient from there.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/logit_gradient.cuh"

namespace lapidary::cuda {

// A part lies in shared memory as it lies on 16 bytes in global memory: its first element is `past` bytes
// after the beginning, so that whole words of 16 bytes can be copied.
template <lap_dtype kType>
struct RowSlice {
  using E = Element<kType>;
  using Storage = typename E::Storage;
  int64_t begin, count;  // elements of the row
  int past;
  uint4* words;

  __device__ __forceinline__ Storage* elements() const {
    return reinterpret_cast<Storage*>(reinterpret_cast<char*>(words) + past);
  }
  // The group whose first element is `first` bytes (a multiple of 16 more than `off`) from the beginning.
  static __device__ __forceinline__ Group<kType> straddling(const uint4* word, int off) {
    Group<kType> group;
    group.raw = straddle(word[0], word[1], off);
    return group;
  }
};

// Elements are shared out in groups, by their index alone.
template <lap_dtype kType>
__device__ __forceinline__ RowSlice<kType> slice_of(const typename Element<kType>::Storage* row,
                                                    int64_t vocab, unsigned rank, unsigned size,
                                                    uint4* words) {
  constexpr int kGroup = Element<kType>::kGroup;
  const int64_t groups = (vocab + kGroup - 1) / kGroup, each = (groups + size - 1) / size;
  const int64_t begin = rank * each * kGroup, end = begin + each * kGroup;
  const int64_t first = begin < vocab ? begin : vocab;
  return {first, (end < vocab ? end : vocab) - first, bytes_past(row), words};
}

// Whole words of 16 bytes of the row are copied; words at its ends hold what is not the row's, and elements
// there are fetched one by one.
template <lap_dtype kType>
__device__ __forceinline__ void begin_copy(const typename Element<kType>::Storage* row, int64_t vocab,
                                           const RowSlice<kType>& slice, Arrival* arrival) {
  constexpr int64_t kSize = sizeof(typename Element<kType>::Storage);
  const int64_t low = slice.begin * kSize - slice.past;  // of the first word, from the row's first byte
  const int64_t first = slice.begin * kSize, last = first + slice.count * kSize;
  const int64_t from = low < 0 ? low + 16 : low;
  const int64_t whole = (last - low) / 16 * 16 + low, over = whole < last ? whole + 16 : whole;
  const int64_t end = over <= vocab * kSize ? over : whole, to = end > from ? end : from;
  arrival->begin(reinterpret_cast<char*>(slice.words) + (from - low),
                 reinterpret_cast<const char*>(row) + from, static_cast<unsigned>(to - from));
  const int64_t before = from - first > 0 ? (from - first) / kSize : 0;
  const int64_t head = before < slice.count ? before : slice.count;
  const int64_t rest = to - first > 0 ? (to - first) / kSize : 0;
  auto* elements = slice.elements();
  for (int64_t i = threadIdx.x; i < head; i += blockDim.x) elements[i] = row[slice.begin + i];
  for (int64_t i = (rest > head ? rest : head) + threadIdx.x; i < slice.count; i += blockDim.x)
    elements[i] = row[slice.begin + i];
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__device__ __forceinline__ ThreadStats<kWeighted> slice_stats(const RowSlice<kType>& slice, int64_t target,
                                                              const Transform<kCapped>& transform) {
  using E = Element<kType>;
  ThreadStats<kWeighted> stats;
  const int64_t groups = slice.count / E::kGroup;
  const auto* elements = slice.elements();
  if (slice.past == 0) {
    const auto load = [&](int64_t k) { return Group<kType>{slice.words[k]}; };
    add_groups<kType, kCapped, kWeighted>(groups, slice.begin, target, transform, load, &stats);
  } else {
    const auto load = [&](int64_t k) { return slice.straddling(slice.words + k, slice.past); };
    add_groups<kType, kCapped, kWeighted>(groups, slice.begin, target, transform, load, &stats);
  }
  for (int64_t i = groups * E::kGroup + threadIdx.x; i < slice.count; i += blockDim.x) {
    float x[1] = {slice.begin + i == target ? -INFINITY : E::load(elements[i])};
    add_values<1>(x, slice.begin + i, transform, &stats);
  }
  return stats;
}

// `out` is the whole row's.
template <lap_dtype kType, class Gradient>
__device__ __forceinline__ void write_slice_gradient(const RowSlice<kType>& slice,
                                                     typename Element<kType>::Storage* out, int64_t target,
                                                     float own, const Gradient& gradient) {
  using E = Element<kType>;
  const auto* elements = slice.elements();
  auto* to = out + slice.begin;
  const int64_t place = target - slice.begin;
  const auto write_one = [&](int64_t i) {
    to[i] = E::store(i == place ? own : gradient(E::load(elements[i])));
  };
  const RowParts parts = row_parts<kType>(to, slice.count);
  const int64_t offset = slice.past + parts.head * static_cast<int64_t>(sizeof(*to));
  const uint4* words = slice.words + offset / 16;
  const int off = static_cast<int>(offset % 16);
  for (int64_t i = threadIdx.x; i < parts.head; i += blockDim.x) write_one(i);
  if (off == 0) {
    const auto load = [&](int64_t k) { return Group<kType>{words[k]}; };
    write_groups<kType, Gradient::kBatch>(parts.groups, to + parts.head, place - parts.head, own, gradient,
                                          load);
  } else {
    const auto load = [&](int64_t k) { return slice.straddling(words + k, off); };
    write_groups<kType, Gradient::kBatch>(parts.groups, to + parts.head, place - parts.head, own, gradient,
                                          load);
  }
  for (int64_t i = parts.tail_begin + threadIdx.x; i < slice.count; i += blockDim.x) write_one(i);
}

}  // namespace lapidary::cuda
