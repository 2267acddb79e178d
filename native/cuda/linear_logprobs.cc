// hidden [T,H] x weight [V,H] -> logp, lse, entropy, top1 [T]. Floor: 2 T H V operations; T = 8192, V =
// 152064, H = 3584 in bf16 are 11.3 ms at 790 TFLOP/s. Predicted with cuBLASLt: 149 tiles of 76 us, and of
// each 7 us of statistics and some 4 us between launches that nothing hides: 13 ms. With `kept` 2.49 GB more
// are written, 0.8 ms. A kernel with the statistics as its epilogue (head_statistics) has neither tile nor
// gap.
#include "cuda/linear_logprobs.h"

#include "core/checked.h"
#include "cuda/linear_pieces.h"
#include "cuda/linear_tiles.h"

namespace lapidary::cuda {
namespace {

class Forward {
 public:
  Forward(const Gemm& gemm, const lap_linear_logprobs_args& args, void* workspace)
      : args_(args), carver_(workspace), block_rows_(smaller(args.rows, kTileRows)) {
    selected_ = take_selected(&carver_, args.rows);
    hidden_stride_ = aligned_width(args.width, args.dtype);
    hidden_ =
        carver_.take_bytes(static_cast<size_t>(block_rows_ * hidden_stride_ * element_bytes(args.dtype)));
    pieces_ = carver_.take<HeadPiece>(block_rows_ * head_pieces(args.vocab));
    target_logits_ = carver_.take<float>(block_rows_);
    row_references_ = carver_.take<float>(block_rows_);
    columns_ = tile_columns(block_rows_, args.vocab);
    logits_ = carver_.take<float>(block_rows_ * columns_);
    scratch_ = carver_.take_bytes(gemm.workspace());
    if (args.kept == nullptr) return;
    Carver kept(args.kept);
    kept_ = kept_layout(&kept, args.rows, args.vocab, args.dtype);
  }

  size_t workspace() const { return carver_.bytes(); }

  Status run(Gemm& gemm, HeadKernel kernel, cudaStream_t stream) {
    if (args_.rows == 0) return ok_status();
    const RowChoice choice{args_.rows, args_.targets, args_.ignore_index, nullptr, args_.transform};
    const RowOutputs outputs{args_.logp, args_.lse, args_.entropy, args_.top1};
    LAP_TRY(launched(select_rows(choice, selected_, stream)));
    LAP_TRY(launched(finish_ignored(choice, outputs, stream)));
    for (int64_t first = 0; first < args_.rows; first += block_rows_) {
      const RowBlock rows{selected_, first, smaller(block_rows_, args_.rows - first)};
      LAP_TRY(launched(gather_rows({rows, args_.hidden, args_.hidden_stride, hidden_, hidden_stride_,
                                    args_.dtype, args_.width, nullptr, nullptr},
                                   stream)));
      HeadBlock block = head_block(rows);
      block.kernel = kernel;
      if (args_.kept != nullptr && args_.dtype != LAP_F16) {
        LAP_TRY(launched(row_references(block, row_references_, stream)));
        block.row_references = row_references_;
      }
      bool taken = false;
      LAP_TRY(head_statistics(block, stream, &taken));
      if (!taken) LAP_TRY(by_tiles(gemm, block, stream));
      LAP_TRY(launched(finish_rows(block, rows, outputs, stream)));
    }
    return ok_status();
  }

 private:
  HeadBlock head_block(const RowBlock& rows) const {
    HeadBlock block{};
    block.hidden = hidden_;
    block.hidden_stride = hidden_stride_;
    block.weight = args_.weight;
    block.weight_stride = args_.weight_stride;
    block.dtype = args_.dtype;
    block.rows = rows.rows;
    block.vocab = args_.vocab;
    block.width = args_.width;
    block.active = selected_.count;
    block.first = rows.first;
    block.targets = selected_.targets + rows.first;
    block.temperatures = selected_.temperatures + rows.first;
    block.softcap = args_.transform.softcap;
    block.weighted = args_.entropy != nullptr;
    block.pieces = pieces_;
    block.target_logits = target_logits_;
    if (args_.kept == nullptr) return block;
    block.target_logits = kept_.target_logits + rows.first;
    block.kept = static_cast<char*>(kept_.entries) + rows.first * kept_.stride * element_bytes(args_.dtype);
    block.kept_stride = kept_.stride;
    block.references = kept_.references + rows.first * head_pieces(args_.vocab);
    block.factors = kept_.factors + rows.first;
    return block;
  }

  Status by_tiles(Gemm& gemm, const HeadBlock& block, cudaStream_t stream) {
    for (int64_t column = 0; column < args_.vocab; column += columns_) {
      const LogitChunk chunk{logits_, columns_, column, smaller(columns_, args_.vocab - column)};
      LAP_TRY(gemm.run(logit_product(block, chunk, logits_), scratch_, stream));
      LAP_TRY(launched(piece_statistics(block, chunk, stream)));
    }
    return ok_status();
  }

  const lap_linear_logprobs_args& args_;
  Carver carver_;
  int64_t block_rows_, hidden_stride_, columns_;
  SelectedRows selected_;
  void *hidden_, *scratch_;
  HeadPiece* pieces_;
  float *target_logits_, *row_references_, *logits_;
  KeptLayout kept_{};
};

}  // namespace

size_t linear_logprobs_workspace(const Gemm& gemm, const lap_linear_logprobs_args& args) {
  return Forward(gemm, args, nullptr).workspace();
}

Status linear_logprobs(Gemm& gemm, HeadKernel kernel, const lap_linear_logprobs_args& args,
                       cudaStream_t stream) {
  return Forward(gemm, args, args.workspace).run(gemm, kernel, stream);
}

bool linear_kept_bytes(int64_t rows, int64_t vocab, lap_dtype dtype, size_t* bytes) {
  int64_t entries = 0;
  if (!multiply_checked(rows, round_up(vocab, kPieceColumns), &entries) || entries > INT64_MAX / 16)
    return false;
  Carver carver(nullptr);
  kept_layout(&carver, rows, vocab, dtype);
  *bytes = carver.bytes();
  return true;
}

}  // namespace lapidary::cuda
