// What is known of a row of logits of a language model's head after each piece of its vocabulary was seen,
// and how the pieces become a row. Whoever computes logits (a matrix product and a pass over its result, or a
// kernel that keeps them in registers) writes this format; one kernel finishes rows from it. Pieces have a
// fixed width and are merged in a fixed order, so a row's sums do not depend on the chunks that its logits
// were computed in.
#pragma once

#include "cuda/logit_stats.cuh"

namespace lapidary::cuda {

constexpr int kPieceColumns = 256;

LAP_HD int64_t head_pieces(int64_t vocab) { return (vocab + kPieceColumns - 1) / kPieceColumns; }

// A piece of a row without the row's target, in terms of c = cap(logit) in f32 (Transform): as ThreadStats,
// all relative to the largest c of the piece. A NaN among them makes the sum NaN; where there is nothing but
// -inf (or only the target) max is -inf and the sums are 0. `weighted` may be anything where
// HeadBlock::weighted is not set.
struct alignas(16) HeadPiece {
  float max;
  float sum;       // of 2^((c - max) scale)
  float weighted;  // of 2^((c - max) scale) (c - max)
  int32_t top;     // the lowest index in the vocabulary where c is max; -1 where that is -inf
};

// A block of rows against the whole vocabulary: what is asked, and where the answer goes. Rows are compact:
// those that count come first, in the caller's order. All pointers are the device's.
struct HeadBlock {
  const void* hidden;  // [rows, width], 16-byte aligned, row stride a multiple of 16 bytes; rows that do not
                       // count are 0
  int64_t hidden_stride;
  const void* weight;  // [vocab, width], as the caller has it: any alignment and stride
  int64_t weight_stride;
  lap_dtype dtype;
  int64_t rows, vocab, width;
  // Of the rows of the whole call *active count; this block's first is the call's `first`. Rows that do not
  // count need not be computed nor written.
  const int64_t* active;
  int64_t first;
  const int32_t* targets;     // [rows]; one that is outside [0, vocab) is no entry of the row
  const float* temperatures;  // [rows]
  float softcap;
  bool weighted;         // whether HeadPiece::weighted is wanted
  HeadPiece* pieces;     // out [rows, head_pieces(vocab)]
  float* target_logits;  // out [rows], before the softcap; rows with a target outside [0, vocab) may be left
  // Where the logits are kept for a backward, else NULL: see kept_value.
  void* kept;  // out [rows, vocab] of dtype, kept_stride apart, 16-byte aligned, the stride too
  int64_t kept_stride;
  float* references;  // out [rows, head_pieces(vocab)]: HeadPiece::max
};

LAP_HD int64_t active_rows(int64_t active, int64_t first, int64_t rows) {
  const int64_t left = active - first;
  return left < 0 ? 0 : left < rows ? left : rows;
}

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
