// From a chunk of logits in f32, the result of a matrix product, to statistics by pieces (head_block.h), and
// from those to the rows' outputs.
#pragma once

#include "cuda/head_block.h"
#include "cuda/linear_rows.h"

namespace lapidary::cuda {

// Columns [first_column, first_column + columns) of the vocabulary for a block's rows; first_column is a
// multiple of kPieceColumns, `data` is 16-byte aligned and the stride a multiple of kPieceColumns.
struct LogitChunk {
  const float* data;
  int64_t stride, first_column, columns;
};

cudaError_t piece_statistics(const HeadBlock& block, const LogitChunk& chunk, cudaStream_t stream);

// HeadBlock::row_references of a block whose other fields are set.
cudaError_t row_references(const HeadBlock& block, float* out, cudaStream_t stream);

struct RowOutputs {
  float* logp;
  float* lse;
  float* entropy;  // or NULL
  int32_t* top1;   // or NULL
};
// The block's rows, each where the caller has it; and what is kept of a row beside its entries.
cudaError_t finish_rows(const HeadBlock& block, const RowBlock& rows, const RowOutputs& out,
                        cudaStream_t stream);
// The outputs of rows that do not count.
cudaError_t finish_ignored(const RowChoice& choice, const RowOutputs& out, cudaStream_t stream);

}  // namespace lapidary::cuda
