// dhidden [T,H] and dweight [V,H] of the linear log-probs. Floors at T = 8192, V = 152064, H = 3584 in bf16
// on an H100, products at 790 TFLOP/s: with `kept` two of them, 22.6 ms, and one for a frozen head, so that
// forward and backward are three or two. Without, three, 33.9 ms, or two. Predicted with cuBLASLt, none of it
// measured: with kept entries 23.0 ms, 36.8 with the forward (11.5 and 25.3 for a frozen head); as two calls
// of 4096 tokens, which need half of the memory, 1.5 more for reading and writing dweight again; without
// `kept` 37.7 and 50.7. Memory beside the outputs at T = 4096: kept entries 1.26 GB, workspace 0.12 GB;
// without them 0.38 GB at T = 8192.
#include "cuda/linear_gradient.h"
#include "cuda/linear_logprobs.h"
#include "cuda/linear_tiles.h"

namespace lapidary::cuda {
namespace {

class Backward {
 public:
  Backward(const Gemm& gemm, const lap_linear_logprobs_backward_args& args, void* workspace)
      : args_(args), carver_(workspace), span_rows_(smaller(args.rows, kSpanRows)) {
    selected_ = take_selected(&carver_, args.rows);
    gradient_.rows = carver_.take<GradientRow>(args.rows);
    gradient_.hidden_scales = carver_.take<float>(args.rows);
    gradient_.token_scales = carver_.take<float>(args.rows);
    gradient_.common = carver_.take<float>(3);
    hidden_stride_ = aligned_width(args.width, args.dtype);
    dhidden_stride_ = aligned_width(args.width, LAP_F32);
    const bool scaled = args.kept != nullptr || args.dtype == LAP_F16;
    hidden_ = args.kept == nullptr ? take_hidden() : nullptr;
    if (args.dweight != nullptr) tokens_ = scaled ? take_hidden() : hidden_;
    if (args.dhidden != nullptr) dhidden_ = carver_.take<float>(span_rows_ * dhidden_stride_);
    if (args.kept == nullptr) {
      span_columns_ = smaller(round_up(args.vocab, kPieceColumns), kSpanColumns);
      tile_rows_ = smaller(span_rows_, kTileRows);
      tile_columns_ = tile_columns(tile_rows_, span_columns_);
      logits_ = carver_.take<float>(tile_rows_ * tile_columns_);
      dlogits_ =
          carver_.take_bytes(static_cast<size_t>(span_rows_ * span_columns_ * element_bytes(args.dtype)));
    } else {
      // The same memory as the forward's; rewritten in place (linear_logprobs.h).
      Carver kept(const_cast<void*>(args.kept));
      kept_ = kept_layout(&kept, args.rows, args.vocab, args.dtype);
    }
    scratch_ = carver_.take_bytes(gemm.workspace());
  }

  size_t workspace() const { return carver_.bytes(); }

  Status run(Gemm& gemm, cudaStream_t stream) {
    if (args_.dhidden == nullptr && args_.dweight == nullptr) return ok_status();
    if (args_.rows == 0) return no_rows(stream);
    RowChoice choice{args_.rows, args_.targets, args_.ignore_index, args_.dlogp, args_.transform};
    if (args_.dhidden != nullptr) LAP_TRY(launched(zero_rows(choice, args_.dhidden, args_.width, stream)));
    // Kept entries are of every row that is not ignored.
    if (args_.kept != nullptr) choice.dlogp = nullptr;
    LAP_TRY(launched(select_rows(choice, selected_, stream)));
    LAP_TRY(
        launched(prepare_gradient({selected_, args_.rows, args_.vocab, args_.dtype, args_.transform.softcap,
                                   args_.logp, args_.lse, args_.dlogp, kept_.target_logits, kept_.factors},
                                  gradient_, stream)));
    for (int64_t first = 0; first < args_.rows; first += span_rows_)
      LAP_TRY(span({selected_, first, smaller(span_rows_, args_.rows - first)}, gemm, stream));
    return ok_status();
  }

 private:
  void* take_hidden() {
    return carver_.take_bytes(static_cast<size_t>(span_rows_ * hidden_stride_ * element_bytes(args_.dtype)));
  }

  Status no_rows(cudaStream_t stream) const {
    if (args_.dweight == nullptr || args_.accumulate_dweight) return ok_status();
    const auto bytes = static_cast<size_t>(args_.vocab * args_.width) * sizeof(float);
    return launched(cudaMemsetAsync(args_.dweight, 0, bytes, stream));
  }

  // Rows that go through together, against the whole vocabulary.
  Status span(const RowBlock& rows, Gemm& gemm, cudaStream_t stream) {
    Gather gather{rows,        args_.hidden,   args_.hidden_stride,
                  hidden_,     hidden_stride_, args_.dtype,
                  args_.width, nullptr,        nullptr};
    if (hidden_ != nullptr) LAP_TRY(launched(gather_rows(gather, stream)));
    if (tokens_ != nullptr && tokens_ != hidden_) {
      gather.out = tokens_;
      gather.scales = gradient_.token_scales;
      gather.common = gradient_.common;
      LAP_TRY(launched(gather_rows(gather, stream)));
    }
    LAP_TRY(args_.kept != nullptr ? from_kept(rows, gemm, stream) : from_logits(rows, gemm, stream));
    if (args_.dhidden == nullptr) return ok_status();
    return launched(scatter_rows(
        {rows, dhidden_, dhidden_stride_, args_.dhidden, args_.width, gradient_.hidden_scales}, stream));
  }

  GradientBlock gradient_block(int64_t first, int64_t rows) const {
    return {selected_, gradient_, first, rows, args_.vocab, args_.dtype, args_.transform.softcap};
  }

  Status from_kept(const RowBlock& rows, Gemm& gemm, cudaStream_t stream) {
    const KeptRows kept{
        static_cast<char*>(kept_.entries) + rows.first * kept_.stride * element_bytes(args_.dtype),
        kept_.stride, kept_.references + rows.first * head_pieces(args_.vocab), kept_.factors + rows.first};
    LAP_TRY(launched(gradient_of_kept(gradient_block(rows.first, rows.rows), kept, stream)));
    return products(rows, {kept.entries, kept.stride, 0, args_.vocab}, gemm, stream);
  }

  Status from_logits(const RowBlock& rows, Gemm& gemm, cudaStream_t stream) {
    for (int64_t column = 0; column < args_.vocab; column += span_columns_) {
      const int64_t columns = smaller(span_columns_, args_.vocab - column);
      for (int64_t r = 0; r < rows.rows; r += tile_rows_)
        LAP_TRY(tiles(rows, r, column, columns, gemm, stream));
      LAP_TRY(products(rows, {dlogits_, span_columns_, column, columns}, gemm, stream));
    }
    return ok_status();
  }

  // Gradients of the logits of tile_rows_ rows of the span, from its row `r` on.
  Status tiles(const RowBlock& rows, int64_t r, int64_t column, int64_t columns, Gemm& gemm,
               cudaStream_t stream) {
    HeadBlock block{};
    block.hidden = static_cast<char*>(hidden_) + r * hidden_stride_ * element_bytes(args_.dtype);
    block.hidden_stride = hidden_stride_;
    block.weight = args_.weight;
    block.weight_stride = args_.weight_stride;
    block.dtype = args_.dtype;
    block.rows = smaller(tile_rows_, rows.rows - r);
    block.width = args_.width;
    block.active = selected_.count;
    block.first = rows.first + r;
    for (int64_t c = 0; c < columns; c += tile_columns_) {
      const LogitChunk chunk{logits_, tile_columns_, column + c, smaller(tile_columns_, columns - c)};
      LAP_TRY(gemm.run(logit_product(block, chunk, logits_), scratch_, stream));
      void* out = static_cast<char*>(dlogits_) + (r * span_columns_ + c) * element_bytes(args_.dtype);
      LAP_TRY(launched(
          gradient_of_logits(gradient_block(block.first, block.rows), chunk, out, span_columns_, stream)));
    }
    return ok_status();
  }

  // The gradients of `count` columns of logits for a span's rows.
  struct Dlogits {
    const void* data;
    int64_t stride, column, count;
  };

  Status products(const RowBlock& rows, const Dlogits& dlogits, Gemm& gemm, cudaStream_t stream) {
    if (args_.dhidden != nullptr) LAP_TRY(gemm.run(hidden_product(rows, dlogits), scratch_, stream));
    if (args_.dweight != nullptr) LAP_TRY(gemm.run(weight_product(rows, dlogits), scratch_, stream));
    return ok_status();
  }

  Product product_of(const RowBlock& rows) const {
    Product product{};
    product.dtype = args_.dtype;
    product.active = selected_.count;
    product.first = rows.first;
    return product;
  }

  // dhidden (+)= U W
  Product hidden_product(const RowBlock& rows, const Dlogits& dlogits) const {
    Product product = product_of(rows);
    const auto* weight = static_cast<const char*>(args_.weight);
    product.a = {dlogits.data, dlogits.stride, false};
    product.b = {weight + dlogits.column * args_.weight_stride * element_bytes(args_.dtype),
                 args_.weight_stride, false};
    product.c = dhidden_;
    product.c_stride = dhidden_stride_;
    product.m = rows.rows;
    product.n = args_.width;
    product.k = dlogits.count;
    product.accumulate = dlogits.column > 0;
    product.limit = Product::Limit::kRows;
    const int64_t depth = args_.kept == nullptr ? span_columns_ : args_.vocab;
    product.planned = {kSpanRows, args_.width, depth, dhidden_stride_};
    return product;
  }

  // dweight (+)= U^T hidden
  Product weight_product(const RowBlock& rows, const Dlogits& dlogits) const {
    Product product = product_of(rows);
    product.a = {dlogits.data, dlogits.stride, true};
    product.b = {tokens_, hidden_stride_, false};
    product.c = args_.dweight + dlogits.column * args_.width;
    product.c_stride = args_.width;
    product.m = dlogits.count;
    product.n = args_.width;
    product.k = rows.rows;
    product.accumulate = args_.accumulate_dweight || rows.first > 0;
    product.alpha = args_.dtype == LAP_F16 ? gradient_.common : nullptr;
    product.limit = Product::Limit::kDepth;
    product.planned = {args_.kept == nullptr ? span_columns_ : args_.vocab, args_.width, kSpanRows,
                       args_.width};
    return product;
  }

  const lap_linear_logprobs_backward_args& args_;
  Carver carver_;
  int64_t span_rows_, span_columns_ = 0, tile_rows_ = 0, tile_columns_ = 0, hidden_stride_, dhidden_stride_;
  SelectedRows selected_;
  GradientRows gradient_{};
  void *hidden_ = nullptr, *tokens_ = nullptr, *dlogits_ = nullptr, *scratch_ = nullptr;
  float *dhidden_ = nullptr, *logits_ = nullptr;
  KeptLayout kept_{};
};

}  // namespace

size_t linear_logprobs_backward_workspace(const Gemm& gemm, const lap_linear_logprobs_backward_args& args) {
  return Backward(gemm, args, nullptr).workspace();
}

Status linear_logprobs_backward(Gemm& gemm, const lap_linear_logprobs_backward_args& args,
                                cudaStream_t stream) {
  return Backward(gemm, args, args.workspace).run(gemm, stream);
}

}  // namespace lapidary::cuda
