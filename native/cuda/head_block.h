// What is known of a row of logits of a language model's head after each piece of its vocabulary was seen,
// and the seam for whoever computes it: a matrix product and a pass over its result, or a kernel that keeps
// logits in registers and has the reduction as its epilogue. One kernel finishes rows from this format
// (head_statistics.cuh).
#pragma once

#include <cuda_runtime.h>

#include "core/numerics.h"
#include "core/status.h"
#include "lapidary.h"

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

// The kernels beside the matrix product, see linear_wgmma.h.
enum class HeadKernel : int32_t { kNone, kWgmma, kWgmmaTeams };

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
  const float* row_references;  // [rows]; or NULL: see kept_reference
  float* references;            // out [rows, head_pieces(vocab)]: what the piece's entries are relative to
  float* factors;               // out [rows], by finish_rows
  HeadKernel kernel = HeadKernel::kNone;  // the context's choice
};

LAP_HD int64_t active_rows(int64_t active, int64_t first, int64_t rows) {
  const int64_t left = active - first;
  return left < 0 ? 0 : left < rows ? left : rows;
}

// Puts the work for `block` on `stream` and sets `taken`, or leaves it unset where this device, shape, type
// or alignment is not for it: the block then goes through a matrix product. What it does with a shape must
// not depend on `rows`.
Status head_statistics(const HeadBlock& block, cudaStream_t stream, bool* taken);

}  // namespace lapidary::cuda
