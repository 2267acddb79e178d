// The table of row and tile functions that each instruction set fills in. The functions are written once, in
// cpu/generic/, and compiled once per instruction set by cpu/implementation_*.cc.
#pragma once

#include <cstdint>

#include "lapidary.h"

namespace lapidary {

// A read-only matrix operand: element (r, c) at data[r * row_stride + c * column_stride].
struct MatrixView {
  const void* data;
  lap_dtype dtype;
  int64_t row_stride, column_stride;
};

// A row of logits and how they become z (lap_logit_transform).
struct LogitRow {
  const void* data;
  lap_dtype dtype;
  float temperature, softcap;
};

// Statistics of a set of z relative to their maximum; sets merge exactly in a fixed order.
struct LogitStats {
  double max;         // -inf for the empty set
  double sum;         // sum exp(z - max)
  double weighted;    // sum exp(z - max) * (z - max)
  int64_t top_block;  // the first element of a run of kLogitBlock that holds the maximum; -1: none
};
constexpr int64_t kLogitBlock = 2048;

// The gradient of slope * logp + entropy_slope * entropy, the target's share of it aside:
// -p_v (slope + entropy_slope * log p_v) d z_v / d logit_v, log p_v = z_v - lse. `slope` is the caller's
// dlogp + dentropy * entropy. lse comes times the temperature, as the sum of two floats.
struct LogitGradient {
  float lse_high, lse_low;
  float slope, entropy_slope;
};

// A row of the student and one of the teacher. lse comes times the temperature, as the sum of two floats, and
// so does the difference of the two where the rows are transformed alike.
struct DivergenceRow {
  LogitRow student, teacher;
  lap_divergence_kind kind;
  float beta;
  float student_high, student_low, teacher_high, teacher_low;
  float gap_high, gap_low;  // (lse_student - lse_teacher) * temperature
  // Of the gradient: `centre` is the mean that makes its entries add up to 0, `scale` multiplies them.
  float centre, scale;
};

// centre = first / weight.
struct DivergenceSums {
  double value, first, weight;
};

struct AdamwStep {
  float lr, beta1, beta2, epsilon, weight_decay;
  float correction1, correction2;  // 1 / (1 - beta^t)
  float grad_scale;                // clipping factor
};

// Consecutive queries of one head of one sequence: row r attends to the keys [0, first + r]. `width` (the
// head's, padded with zeros) and `key_stride` are multiples of 8; key_stride >= first + rows. A row's result
// does not depend on `rows`.
struct AttentionRows {
  int64_t rows, first, width, key_stride;
  float scale;
  const float* queries;      // [rows, width]
  const float* keys_t;       // [width, key_stride]
  const float* values;       // [first + rows, width]
  float* scores;             // scratch [rows, key_stride]
  float* out;                // [rows, width]
  float *maxima, *inverses;  // out [rows]: of the scaled scores, and 1 / sum exp(score - maximum)
};

// The backward of AttentionRows. dkeys and dvalues have key_stride rows.
struct AttentionGradient {
  int64_t rows, first, width, key_stride;
  float scale;
  const float *queries, *dout;            // [rows, width]
  const float *keys, *keys_t, *values_t;  // [keys, width], [width, key_stride], [width, key_stride]
  const float *maxima, *inverses;         // [rows], from the forward
  float *probabilities, *dscores;         // scratch [rows, key_stride]
  float* dqueries;                        // [rows, width], overwritten
  float *dkeys, *dvalues;                 // [key_stride, width], added to
};

struct Implementation {
  const char* name;
  bool (*supported)();

  // Matrix product micro-tiles (gemm.cc drives them).
  int64_t tile_rows, tile_columns;  // of a micro-tile
  // Packs columns [n0, n0 + tile_columns) of rows [k0, k0 + depth) of b[K, columns], zero-padded, for
  // tile_block.
  void (*pack_columns)(const MatrixView& b, int64_t k0, int64_t depth, int64_t n0, int64_t columns,
                       float* packed);
  // Packs rows [m0, m0 + rows) of columns [k0, k0 + depth) of a into micro-panels, zero-padded.
  void (*pack_rows)(const MatrixView& a, int64_t m0, int64_t rows, int64_t k0, int64_t depth, float* packed);
  // c[rows, columns] (+)= packed_a * packed_b over `depth`.
  void (*tile_block)(const float* packed_a, const float* packed_b, int64_t rows, int64_t columns,
                     int64_t depth, bool accumulate, float* c, int64_t ldc);

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
  void (*attend)(const AttentionRows& block);
  void (*attend_backward)(const AttentionGradient& block);
};

// Implementations in order of preference; the last is portable and always supported.
const Implementation* const* implementations();
// The first supported one, or the one of that name where it is supported; null otherwise.
const Implementation* find_implementation(const char* name);

}  // namespace lapidary
