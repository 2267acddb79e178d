// Gradients of logits for the matrix products of the backward, and the scales that stay outside of them. The
// products take U[r] = slope[r] x (onehot - p)[r] dz/dlogit, in the type of the inputs:
//   dhidden[r] = hidden_scale[r] x (U W)[r],    dweight = common x U^T (token_scale[r] / common x hidden[r]).
// Without `kept`, bf16 and f32 have slope = dlogp and the scales 1. Kept entries of a row with one reference
// are U as they stand, and the row's factor is part of the scales with dlogp. Other kept rows are made U
// once, in place, and may serve again: dlogp is in the scales alone. f16 has too little range for either: a
// row's slope is the power of two that brings its largest entry, the target's own, to 2^13, and `common` is
// one that brings the scales to 1.
#pragma once

#include "cuda/head_block.h"
#include "cuda/linear_pieces.h"
#include "cuda/linear_rows.h"

namespace lapidary::cuda {

struct GradientRow {
  float lse_high, lse_low,
      slope;  // as LogitGradient has them; NaN as lse_high: the row has no finite gradient
  float logp;
  float own;  // the target's entry of U, where its logit is known beforehand
};

// On the device; one entry per compact row of the call.
struct GradientRows {
  GradientRow* rows;
  float* hidden_scales;
  float* token_scales;
  float* common;  // three: the common power of two, 0 and 1
};

struct Preparation {
  SelectedRows selected;
  int64_t rows, vocab;
  lap_dtype dtype;
  float softcap;
  const float* logp;  // these three in the caller's order
  const float* lse;
  const float* dlogp;
  const float* target_logits;  // of compact rows, where they are kept; or NULL
  const float* factors;        // of compact rows, where there are kept entries
};
cudaError_t prepare_gradient(const Preparation& preparation, const GradientRows& out, cudaStream_t stream);

// A block of compact rows: of the call's from `first` on.
struct GradientBlock {
  SelectedRows selected;
  GradientRows gradient;
  int64_t first, rows, vocab;
  lap_dtype dtype;
  float softcap;
};

// U of a chunk of logits, and zeros in rows that do not count: out[r, column - chunk.first_column]; 16-byte
// aligned, the stride too.
cudaError_t gradient_of_logits(const GradientBlock& block, const LogitChunk& chunk, void* out,
                               int64_t out_stride, cudaStream_t stream);

// Makes kept entries U where they are not: rows that do not count or have no gradient become zeros (or NaN,
// if they have a weight), those with more than one reference are multiplied, in place. Pieces that were stay
// as they are; their reference becomes NaN to say so.
struct KeptRows {
  void* entries;
  int64_t stride;
  float* references;
  const float* factors;
};
cudaError_t gradient_of_kept(const GradientBlock& block, const KeptRows& kept, cudaStream_t stream);

}  // namespace lapidary::cuda
