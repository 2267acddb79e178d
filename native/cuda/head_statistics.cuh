// How the pieces of a head's logits (head_block.h) are kept for a backward, and how they become a row. Pieces
// have a fixed width and are merged in a fixed order, so a row's sums do not depend on the chunks that its
// logits were computed in.
#pragma once

#include "cuda/head_block.h"
#include "cuda/logit_stats.cuh"

namespace lapidary::cuda {

// An entry is kept as its share of the piece's largest, times the slope of the cap: its gradient is a
// constant of row and piece times this, with full relative precision however small p is. f16 gets the range
// above 1 too, 2^14 of it. The target's own entry is not read.
template <lap_dtype kType>
constexpr float kKeptExponent = kType == LAP_F16 ? 14.f : 0.f;

template <lap_dtype kType, bool kCapped>
__device__ __forceinline__ float kept_value(float capped, float max, const Transform<kCapped>& transform) {
  const float share = exp2_fast(fmaf(capped - max, transform.scale, kKeptExponent<kType>));
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
