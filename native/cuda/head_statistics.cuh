// How the pieces of a head's logits (head_block.h) are kept for a backward, and how they become a row. Pieces
// have a fixed width and are merged in a fixed order, so a row's sums do not depend on the chunks that its
// logits were computed in.
#pragma once

#include "cuda/head_block.h"
#include "cuda/logit_stats.cuh"

namespace lapidary::cuda {

// An entry is kept as 2^((c - reference) scale) times the slope of the cap: its gradient is a constant times
// this, with full relative precision however small p is. Where all pieces of a row have the row's reference,
// its target's logit or nearly, the constant is one of the row and stays outside of the matrix products:
// nothing passes over the entries again. f16 has no range for that: there, and in a piece whose largest entry
// is more than 2^kMostKept times the target's, the reference is the piece's largest, and f16 gets the range
// above 1 too, 2^14 of it. The target's own entry is written later.
constexpr float kMostKept = 40.f;
template <lap_dtype kType>
constexpr float kKeptExponent = kType == LAP_F16 ? 14.f : 0.f;

// `max` is the piece's.
template <lap_dtype kType>
__device__ __forceinline__ float kept_reference(const HeadBlock& block, int64_t row, float max, float scale) {
  if (kType == LAP_F16 || block.row_references == nullptr) return max;
  const float of_row = block.row_references[row];  // NaN: it has none
  return (max - of_row) * scale <= kMostKept ? of_row : max;
}

template <lap_dtype kType, bool kCapped>
__device__ __forceinline__ float kept_value(float capped, float reference,
                                            const Transform<kCapped>& transform) {
  // A piece without anything but -inf keeps zeros.
  const float relative_to = reference == -INFINITY ? 0.f : reference;
  const float share = exp2_fast(fmaf(capped - relative_to, transform.scale, kKeptExponent<kType>));
  return kCapped ? share * transform.slope(capped) : share;
}

LAP_HD LogitStats piece_stats(const HeadPiece& piece, double temperature) {
  return {piece.max / temperature, piece.sum, piece.weighted / temperature, piece.top};
}

// All pieces of a row, by one warp; lane 0 has the result, whose top_block is the lowest index of the
// maximum.
__device__ __forceinline__ LogitStats merge_pieces(const HeadPiece* pieces, int64_t count,
                                                   double temperature) {
  const int lane = threadIdx.x % 32;
  LogitStats stats{-INFINITY, 0, 0, -1};
  for (int64_t p = lane; p < count; p += 32) merge(&stats, piece_stats(pieces[p], temperature));
#pragma unroll
  for (int step = 16; step > 0; step /= 2) {
    const LogitStats other{__shfl_down_sync(kAllLanes, stats.max, step),
                           __shfl_down_sync(kAllLanes, stats.sum, step),
                           __shfl_down_sync(kAllLanes, stats.weighted, step),
                           __shfl_down_sync(kAllLanes, stats.top_block, step)};
    const bool earlier = other.max == stats.max && other.top_block >= 0 && other.top_block < stats.top_block;
    merge(&stats, other);
    if (earlier) stats.top_block = other.top_block;
  }
  return stats;
}

}  // namespace lapidary::cuda
