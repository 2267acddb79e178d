// c[M,N] (+)= a[M,K] * b[K,N], f32 accumulation, operands with any strides (a transpose is a swap of
// strides). An element's sum runs over k in order, in blocks of kGemmDepth: its bits depend on neither the
// thread count, nor M and N, nor its place in c.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/thread_pool.h"
#include "cpu/implementation.h"

namespace lapidary {

struct Gemm {
  int64_t rows, columns, depth;  // M, N, K
  MatrixView a, b;
  float* c;
  int64_t ldc;
  bool accumulate;
};

// Row-major f32 matrix with `stride` between rows; transposed() reads it the other way round.
inline MatrixView matrix(const float* data, int64_t stride) { return {data, LAP_F32, stride, 1}; }
inline MatrixView transposed(const float* data, int64_t stride) { return {data, LAP_F32, 1, stride}; }

// Floats of workspace for a product of this depth and column count with up to `threads` threads.
int64_t gemm_workspace(const Implementation& cpu, int64_t columns, int64_t depth, int threads);

// Floats that a packed b takes, and packing it apart from the product (to use it for many blocks of rows).
int64_t packed_size(const Implementation& cpu, int64_t columns, int64_t depth);
void pack_matrix(ThreadPool& pool, const Implementation& cpu, const MatrixView& b, int64_t columns,
                 int64_t depth, float* packed);

// One block of at most kGemmRows rows on the calling thread. `scratch` holds row_scratch floats.
constexpr int64_t kGemmRows = 48;
inline int64_t row_scratch(const Implementation& cpu) { return (kGemmRows + cpu.tile_rows) * kPanelStride; }
void gemm_row_block(const Implementation& cpu, const MatrixView& a, int64_t m0, int64_t rows, int64_t columns,
                    int64_t depth, const float* packed_b, bool accumulate, float* c, int64_t ldc,
                    float* scratch);

void gemm(ThreadPool& pool, const Implementation& cpu, const Gemm& product, float* workspace);

}  // namespace lapidary
