// From the accumulators of a warpgroup, 64 rows x 256 columns of logits in f32, to one HeadPiece per row. A
// row lies with the four lanes of a quad, 64 columns each; a thread has two rows.
#pragma once

#include "cuda/head_statistics.cuh"
#include "cuda/wgmma_layout.h"

namespace lapidary::cuda {

constexpr int kRowValues = kFragment / 2;
// Value `v` of a thread's row `half`, among the accumulators, and its column in the piece.
template <int kHalf>
constexpr int accumulator_of(int v) {
  return v / 2 * 4 + kHalf * 2 + v % 2;
}
__device__ __forceinline__ int column_of(int v) { return fragment_column(threadIdx.x, accumulator_of<0>(v)); }

template <class T, class Combine>
__device__ __forceinline__ T quad_reduce(T value, Combine combine) {
  value = combine(value, __shfl_xor_sync(kAllLanes, value, 1));
  return combine(value, __shfl_xor_sync(kAllLanes, value, 2));
}

template <bool kCapped>
struct HeadRow {
  int64_t row;
  bool counts;
  int32_t target;
  Transform<kCapped> transform;

  static __device__ __forceinline__ HeadRow load(const HeadBlock& block, int64_t row, int64_t active) {
    const bool counts = row < active;
    const float temperature = counts ? block.temperatures[row] : 1.f;
    return {row, counts, counts ? block.targets[row] : -1,
            transform_of<kCapped>({nullptr, block.dtype, temperature, block.softcap})};
  }
};

// Makes -inf of the target's logit, after keeping it apart, and of the columns that the vocabulary lacks.
template <int kHalf, bool kCapped>
__device__ __forceinline__ void prepare_values(float (&sums)[kFragment], const HeadRow<kCapped>& row,
                                               int64_t begin, const HeadBlock& block) {
  const int64_t left = block.vocab - begin, place = row.target - begin;
  if (place >= 0 && place < left && place < kPieceColumns && place / 2 % 4 == threadIdx.x % 4) {
    float own = 0.f;
#pragma unroll
    for (int v = 0; v < kRowValues; ++v) {
      float& x = sums[accumulator_of<kHalf>(v)];
      const bool here = column_of(v) == place;
      own = here ? x : own;
      x = here ? -INFINITY : x;
    }
    block.target_logits[row.row] = own;
  }
  if (kCapped) {
#pragma unroll
    for (int v = 0; v < kRowValues; ++v) {
      float& x = sums[accumulator_of<kHalf>(v)];
      x = row.transform.cap(x);
    }
  }
  if (left >= kPieceColumns) return;
#pragma unroll
  for (int v = 0; v < kRowValues; ++v)
    if (column_of(v) >= left) sums[accumulator_of<kHalf>(v)] = -INFINITY;
}

// Chains of additions side by side, which shortens the wait for each.
constexpr int kChains = 4;

template <int kHalf>
__device__ __forceinline__ float largest_of(const float (&sums)[kFragment]) {
  float largest[kChains];
#pragma unroll
  for (int c = 0; c < kChains; ++c) largest[c] = sums[accumulator_of<kHalf>(c)];
#pragma unroll
  for (int v = kChains; v < kRowValues; ++v)
    largest[v % kChains] = fmaxf(largest[v % kChains], sums[accumulator_of<kHalf>(v)]);
  const float own = fmaxf(fmaxf(largest[0], largest[1]), fmaxf(largest[2], largest[3]));
  const float all = quad_reduce(own, [](float a, float b) { return fmaxf(a, b); });
  // fmaxf passes over a NaN unless there is nothing else.
  return isnan(all) ? -INFINITY : all;
}

template <int kHalf>
__device__ __forceinline__ int first_column_of(float value, const float (&sums)[kFragment]) {
  int first = kPieceColumns;
#pragma unroll
  for (int v = kRowValues - 1; v >= 0; --v)
    if (sums[accumulator_of<kHalf>(v)] == value) first = column_of(v);
  return quad_reduce(first, [](int a, int b) { return a < b ? a : b; });
}

// With a softcap there are not registers enough for this too.
template <bool kCapped>
constexpr bool kKeeps = !kCapped;

// Writes the row's entries for a backward, which are 0 for what is -inf, up to the end of the kept row, whole
// runs of 8 columns. Of two runs a lane takes one, half of which its neighbour has: a quad then writes 32
// bytes side by side.
template <lap_dtype kType, int kHalf, bool kCapped>
__device__ __forceinline__ void keep_row(const float (&sums)[kFragment], const HeadRow<kCapped>& row,
                                         float max, int64_t begin, const HeadBlock& block) {
  using E = Element<kType>;
  const int lane = threadIdx.x % 4, odd = lane % 2;
  const int64_t end = block.kept_stride - begin;
  float reference = row.counts ? kept_reference<kType>(block, row.row, max, row.transform.scale) : max;
#if defined(__CUDA_ARCH__)
  // Or the differences from the sums would be held for here, in registers that are not there.
  asm volatile("" : "+f"(reference));
#endif
  auto* out = static_cast<typename E::Storage*>(block.kept) + row.row * block.kept_stride + begin;
#pragma unroll
  for (int v = 0; v < kRowValues; v += 4) {
    uint32_t runs[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      uint32_t words[2];
#pragma unroll
      for (int i = 0; i < 2; ++i)
        words[i] =
            E::store(kept_value<kType>(sums[accumulator_of<kHalf>(v + 2 * r + i)], reference, row.transform));
      runs[r] = words[0] | words[1] << 16;
    }
    const uint32_t given = __shfl_xor_sync(kAllLanes, odd == 0 ? runs[1] : runs[0], 1);
    const int column = v / 2 * 8 + odd * 8 + lane / 2 * 4;
    if (row.counts && column < end)
      *reinterpret_cast<uint2*>(out + column) = odd == 0 ? uint2{runs[0], given} : uint2{given, runs[1]};
  }
  if (lane == 0 && row.counts)
    block.references[row.row * head_pieces(block.vocab) + begin / kPieceColumns] = reference;
}

template <lap_dtype kType, int kHalf, bool kCapped, bool kWeighted>
__device__ __forceinline__ void finish_row_of_piece(float (&sums)[kFragment], const HeadRow<kCapped>& row,
                                                    int64_t begin, const HeadBlock& block) {
  prepare_values<kHalf, kCapped>(sums, row, begin, block);
  HeadPiece piece;
  piece.max = largest_of<kHalf>(sums);
  const bool nothing = piece.max == -INFINITY;
  const float reference = nothing ? 0.f : piece.max;  // -inf adds 0, NaN itself
  ThreadStats<kWeighted> chains[kChains];
#pragma unroll
  for (int v = 0; v < kRowValues; ++v)
    chains[v % kChains].add(sums[accumulator_of<kHalf>(v)], reference, row.transform.scale);
  const auto sum_of = [&](float ThreadStats<kWeighted>::*what) {
    return quad_reduce((chains[0].*what + chains[1].*what) + (chains[2].*what + chains[3].*what), Add());
  };
  piece.sum = sum_of(&ThreadStats<kWeighted>::sum);
  piece.weighted = kWeighted ? sum_of(&ThreadStats<kWeighted>::weighted) : 0.f;
  const int column = first_column_of<kHalf>(piece.max, sums);
  piece.top = nothing ? -1 : static_cast<int32_t>(begin + column);
  if (threadIdx.x % 4 == 0 && row.counts)
    block.pieces[row.row * head_pieces(block.vocab) + begin / kPieceColumns] = piece;
  if constexpr (kKeeps<kCapped>)
    if (block.kept != nullptr) keep_row<kType, kHalf>(sums, row, piece.max, begin, block);
}

}  // namespace lapidary::cuda
