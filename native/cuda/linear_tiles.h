// How the linear log-probs are cut up.
//
// Logits exist in f32 only as a tile of kTileRows rows or fewer, of kTileBytes: made by a matrix product and
// read by the next kernel while they are in the second-level cache (40 MB and more since sm_80), beside the
// panels of the operands. With 2048 rows the tile is 4096 columns: 256 output tiles of 128 x 256, 1.94 waves
// of 132 SMs, and a panel of the weight is read once per 2048 tokens, four times in all at T = 8192: 4.4 GB
// of traffic under 11 ms of products. Fewer rows get more columns.
//
// The backward has more rows together, kSpanRows, since dweight is read and written once per span, and
// columns in spans of kSpanColumns, since dhidden is read and written once per column span: at T = 8192, H =
// 3584, V = 152064 that is 19 times 117 MB twice, 1.5 ms at 3.0 TB/s beside 45 ms of products. A row's
// dhidden is summed span by span, so their width must not depend on the batch.
#pragma once

#include "cuda/carver.h"
#include "cuda/gemm.h"
#include "cuda/head_block.h"
#include "cuda/linear_pieces.h"
#include "cuda/linear_rows.h"

namespace lapidary::cuda {

constexpr int64_t kTileRows = 2048, kTileBytes = int64_t{32} << 20;
constexpr int64_t kSpanRows = 8192, kSpanColumns = 8192;

inline int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }
inline int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t element_bytes(lap_dtype dtype) { return dtype == LAP_F32 ? 4 : 2; }
// A row of `width` elements in whole groups of 16 bytes.
inline int64_t aligned_width(int64_t width, lap_dtype dtype) {
  return round_up(width, 16 / element_bytes(dtype));
}

// Columns of a tile of `rows` rows, whole pieces.
inline int64_t tile_columns(int64_t rows, int64_t columns) {
  const int64_t fitting = kTileBytes / 4 / (rows > 0 ? rows : 1) / kPieceColumns * kPieceColumns;
  return smaller(fitting, round_up(columns, kPieceColumns));
}

inline SelectedRows take_selected(Carver* carver, int64_t rows) {
  return {carver->take<int64_t>(1), carver->take<int64_t>(rows), carver->take<int32_t>(rows),
          carver->take<float>(rows)};
}

// What a forward keeps: an entry per logit (kept_value), a reference per piece, and of a row the factor that
// makes its entries p (finish_rows) and the target's logit.
struct KeptLayout {
  void* entries;
  int64_t stride;
  float* references;
  float* factors;
  float* target_logits;
};
inline KeptLayout kept_layout(Carver* carver, int64_t rows, int64_t vocab, lap_dtype dtype) {
  const int64_t stride = round_up(vocab, 64);
  void* entries = carver->take_bytes(static_cast<size_t>(rows * stride * element_bytes(dtype)));
  float* references = carver->take<float>(rows * head_pieces(vocab));
  float* factors = carver->take<float>(rows);
  return {entries, stride, references, factors, carver->take<float>(rows)};
}

// A tile of logits: rows of the block against columns of the vocabulary. The algorithm is that of a whole
// tile, so that a row has the same bits in any batch.
inline Product logit_product(const HeadBlock& block, const LogitChunk& chunk, float* out) {
  Product product{};
  product.dtype = block.dtype;
  const auto* weight = static_cast<const char*>(block.weight);
  product.a = {block.hidden, block.hidden_stride, false};
  product.b = {weight + chunk.first_column * block.weight_stride * element_bytes(block.dtype),
               block.weight_stride, true};
  product.c = out;
  product.c_stride = chunk.stride;
  product.m = block.rows;
  product.n = chunk.columns;
  product.k = block.width;
  product.limit = Product::Limit::kRows;
  product.active = block.active;
  product.first = block.first;
  constexpr int64_t kColumns = kTileBytes / 4 / kTileRows;
  product.planned = {kTileRows, kColumns, block.width, kColumns};
  return product;
}

inline Status launched(cudaError_t error) {
  if (error == cudaSuccess) return ok_status();
  cudaGetLastError();
  return {LAP_DEVICE_ERROR, std::string("launching a kernel: ") + cudaGetErrorName(error) + " (" +
                                cudaGetErrorString(error) + ")"};
}

}  // namespace lapidary::cuda
