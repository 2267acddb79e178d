// The table of row and tile functions that each instruction set fills in. The functions are written once, in
// cpu/generic/, and compiled once per instruction set by cpu/implementation_*.cc.
#pragma once

#include <cstdint>

#include "lapidary.h"
#include "objective/divergence_row.h"
#include "objective/logit_row.h"

namespace lapidary {

// A read-only matrix operand: element (r, c) at data[r * row_stride + c * column_stride].
struct MatrixView {
  const void* data;
  lap_dtype dtype;
  int64_t row_stride, column_stride;
};

// Depth that one block of a matrix product runs over in registers (gemm.cc).
constexpr int64_t kGemmDepth = 256;

// The linear log-probs work on strips: matrices [vocabulary entries, tile_columns] with one token per lane. A
// panel holds a block of the weight, its rows kPanelStride floats apart (not a power of two, or they would
// meet in one set of the first-level cache) and at most kPanelDepth long.
constexpr int64_t kPanelDepth = 264;
constexpr int64_t kPanelStride = kPanelDepth + 16;

// The bytes [begin, end) of `rows` rows of the weight, of which the next panel is made: fetched into the
// second-level cache while a product runs, since copying them from memory would stand still.
struct PanelAhead {
  const char* first = nullptr;
  int64_t stride = 0, rows = 0, begin = 0, end = 0;
};
constexpr int64_t kMaxStrip = 64;

// How the lanes of a strip turn logits into exponentials: e^((x - offset) / temperature).
struct StripLanes {
  float scale[kMaxStrip];  // log2(e) / temperature
  float floor[kMaxStrip];  // the lowest x - offset whose exponential counts
};
// Relative to each lane's maximum. NaN anywhere in a lane makes its sum NaN.
struct StripStats {
  float max[kMaxStrip], sum[kMaxStrip];
  float weighted[kMaxStrip];  // sum of exp * (x - max)
};
// out = factor * e^((x - offset) / temperature) * cap slope.
struct StripGradient {
  StripLanes lanes;
  float offset[kMaxStrip], factor[kMaxStrip];
  float softcap;
};

struct AdamwStep {
  float lr, beta1, beta2, epsilon, weight_decay;
  float correction1, correction2;  // 1 / (1 - beta^t)
  float grad_scale;                // clipping factor
};

// Rows that need not be dense.
struct RowsView {
  const float* data;
  int64_t stride;
};

// Consecutive queries of one head of one sequence: row r attends to the keys [0, first + r]. `key_stride` is
// a multiple of 8 and at least first + rows. Keys in blocks of 8 positions: element d of key j lies at (j / 8
// * width + d) * 8 + j % 8. Values and results are worked on in whole vectors: what their rows hold up to the
// next multiple of 8 of `width` is read, and written as anything. A row's result does not depend on `rows`.
struct AttentionRows {
  int64_t rows, first, width, key_stride;
  float scale;
  RowsView queries;          // [rows, width]
  const float* keys;         // [key_stride / 8, width, 8]
  RowsView values;           // [first + rows, width]
  float* scores;             // scratch [rows, key_stride]
  float* out;                // [rows, width]
  int64_t out_stride;        // of its rows
  float *maxima, *inverses;  // out [rows]: of the scaled scores, and 1 / sum exp(score - maximum)
};

// The backward of AttentionRows. dqueries, dkeys and dvalues have rows of `width` rounded up to 8, dkeys and
// dvalues key_stride of them.
struct AttentionGradient {
  int64_t rows, first, width, key_stride;
  float scale;
  RowsView queries, dout;                  // [rows, width]
  RowsView keys;                           // [first + rows, width]
  const float *key_blocks, *value_blocks;  // as AttentionRows.keys
  const float *maxima, *inverses;          // [rows], from the forward
  float *probabilities, *dscores;          // scratch [rows, key_stride]
  float* dqueries;                         // [rows, width], overwritten
  float *dkeys, *dvalues;                  // [key_stride, width], added to
};

// One query for each of `heads` heads of one sample against `count` cached positions; to the bit what
// AttentionRows gives for the same rows.
struct AttentionStep {
  int64_t heads, count, width;
  float scale;
  const float* query;          // [heads, width]
  const float *keys, *values;  // of the first head, blocks as above and rows of `width` rounded up to 8
  int64_t head_size;           // floats between the caches of two heads
  float* scores;               // scratch [heads, score_stride]
  int64_t score_stride;
  float* out;  // [heads, width rounded up to 8]
};

// One sequence of the policy loss in the forms that run over vectors: no gate, unit, token-level clip
// surrogate or clip weight, and k1, k2 or k3 with its own gradient.
struct LossRow {
  const lap_objective* objective;
  int64_t count;
  const float *logp, *ratio_anchor, *kl_anchor;  // anchors null where the objective has none
  const float* weights;                          // or null
  const uint8_t* mask;                           // or null
  float advantage, scale;
  float pull;    // of the sequence term, scaled
  float* dlogp;  // out [count]
};

// Micro-panels of the left operand: its rows one after the other, kPanelStride apart, or the elements of a
// column of the tile side by side.
enum class RowPanels { kPlain, kInterleaved };

struct Implementation {
  const char* name;
  bool (*supported)();

  // Matrix product micro-tiles (gemm.cc drives them).
  int64_t tile_rows, tile_columns;  // of a micro-tile
  // Packs columns [n0, n0 + tile_columns) of rows [k0, k0 + depth) of b[K, columns], zero-padded, for
  // tile_block.
  void (*pack_columns)(const MatrixView& b, int64_t k0, int64_t depth, int64_t n0, int64_t columns,
                       float* packed);
  // Packs rows [m0, m0 + rows) of columns [k0, k0 + depth), depth <= kGemmDepth, of a into micro-panels,
  // zero-padded.
  RowPanels (*pack_rows)(const MatrixView& a, int64_t m0, int64_t rows, int64_t k0, int64_t depth,
                         float* packed);
  // c[rows, columns] (+)= packed_a * packed_b over `depth`; `panels` as pack_rows gave it.
  void (*tile_block)(RowPanels panels, const float* packed_a, const float* packed_b, int64_t rows,
                     int64_t columns, int64_t depth, bool accumulate, float* c, int64_t ldc);

  // Strips of the linear log-probs (vocab_strips.inc). Elements are counted from `first`; counts of rows are
  // padded up to tile_rows, what lies beyond is scratch.
  // panel[r][k] = data[first + r * stride + k], as f32.
  void (*copy_panel)(const void* data, lap_dtype dtype, int64_t first, int64_t stride, int64_t rows,
                     int64_t depth, float* panel);
  // out[r][:] (+)= sum_k panel[r][k] * strip[k][:]; fetches `ahead` meanwhile.
  void (*panel_times_strip)(const float* panel, const float* strip, int64_t rows, int64_t depth,
                            bool accumulate, const PanelAhead& ahead, float* out);
  // out[c][:] += sum_r panel[r][c] * strip[r][:]; fetches `ahead` meanwhile.
  void (*panel_transposed_times_strip)(const float* panel, const float* strip, int64_t rows, int64_t columns,
                                       const PanelAhead& ahead, float* out);
  // out[r][c] (+)= sum over `count` strips, strip_size floats apart, and their lanes of strip[r][lane] *
  // tokens[lane][c], c < columns <= tile_columns; `tokens` holds tile_columns floats per lane.
  void (*strips_times_tokens)(const float* strips, int64_t strip_size, int64_t count, const float* tokens,
                              int64_t rows, int64_t columns, bool accumulate, float* out, int64_t stride);
  void (*cap_strip)(float* strip, int64_t rows, float softcap);
  void (*strip_stats)(const float* strip, int64_t rows, const StripLanes& lanes, bool want_weighted,
                      StripStats* stats);
  // out may be the strip. The caller mends the targets' entries.
  void (*strip_gradient)(const float* strip, int64_t rows, const StripGradient& gradient, float* out);

  // Rows of logits.
  LogitStats (*logit_stats)(const LogitRow& row, int64_t begin, int64_t end, bool want_weighted);
  // The caller mends the target's entry. `out` is of the row's type and may be the row itself.
  void (*softmax_gradient)(const LogitRow& row, const LogitGradient& gradient, int64_t count, void* out);
  // Statistics without the target, and exps[v] ~ exp(z_v) dcap for scale_exps; `exps` may be an f32 row
  // itself. `references` holds one double for each kLogitBlock.
  LogitStats (*logit_exps)(const LogitRow& row, int64_t count, int64_t target, bool want_weighted,
                           float* exps, double* references);
  // out[v] = scale * p_v dcap, in `dtype`; `out` may be `exps`.
  void (*scale_exps)(const float* exps, int64_t count, const double* references, double lse, float scale,
                     lap_dtype dtype, void* out);

  // Rows of two tensors of logits.
  DivergenceSums (*divergence_sums)(const DivergenceRow& row, int64_t count);
  // `out` is of the student's type and may be its row.
  void (*divergence_gradient)(const DivergenceRow& row, int64_t count, void* out);

  // Rows of the built-in policy (native/policy).
  float (*dot)(const float* a, const float* b, int64_t count);
  void (*axpy)(float scale, const float* x, float* y, int64_t count);  // y += scale * x
  // Softmax of `count` scores in place.
  void (*softmax)(float* scores, int64_t count);
  // out = x * gain / rms(x); returns 1 / rms(x).
  float (*rms_norm)(const float* x, const float* gain, int64_t count, float epsilon, float* out);
  // dx += d(rms_norm)/dx * dout; dgain += x * inv_rms * dout.
  void (*rms_norm_backward)(const float* x, const float* gain, float inv_rms, const float* dout,
                            int64_t count, float* dx, float* dgain);
  // out = silu(gate) * up.
  void (*swiglu)(const float* gate, const float* up, int64_t count, float* out);
  // dgate, dup overwrite.
  void (*swiglu_backward)(const float* gate, const float* up, const float* dout, int64_t count, float* dgate,
                          float* dup);
  // One AdamW update (arXiv 1711.05101) of `count` parameters.
  void (*adamw)(const AdamwStep& step, const float* gradient, int64_t count, float* parameter, float* mean,
                float* variance);
  double (*sum_squares)(const float* x, int64_t count);
  // Rotary embedding in place of `heads` consecutive heads of 2 * half floats (pairs i, half + i), by the
  // angles whose cosines and sines are given, times `direction` (1, or -1 for the backward).
  void (*rotate)(const float* cosines, const float* sines, float direction, int64_t half, int64_t heads,
                 float* x);
  // rows [count, width] -> blocks of 8 positions, the last one filled up with zeros.
  void (*block_keys)(const RowsView& rows, int64_t count, int64_t width, float* blocks);
  void (*attend)(const AttentionRows& block);
  void (*attend_step)(const AttentionStep& step);
  void (*attend_backward)(const AttentionGradient& block);

  // Policy loss: the count of kept tokens and the f64 sum of logp - anchor (logp where that is null) over
  // them.
  void (*sum_log_ratios)(const float* logp, const float* anchor, const uint8_t* mask, int64_t count,
                         double* kept, double* sum);
  // Writes g and sets what the tokens add to the diagnostics; loss values are before the scale.
  void (*loss_row)(const LossRow& row, double* diagnostics);
};

// Implementations in order of preference; the last is portable and always supported.
const Implementation* const* implementations();
// The first supported one, or the one of that name where it is supported; null otherwise.
const Implementation* find_implementation(const char* name);

}  // namespace lapidary
