#include "cpu/gemm.h"

#include <algorithm>

namespace lapidary {
namespace {

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace

int64_t packed_size(const Implementation& cpu, int64_t columns, int64_t depth) {
  return round_up(columns, cpu.tile_columns) * depth;
}

int64_t gemm_workspace(const Implementation& cpu, int64_t columns, int64_t depth, int threads) {
  return packed_size(cpu, columns, depth) + threads * row_scratch(cpu);
}

// Layout: depth blocks one after the other, each a run of column strips of tile_columns x block depth.
void pack_matrix(ThreadPool& pool, const Implementation& cpu, const MatrixView& b, int64_t columns,
                 int64_t depth, float* packed) {
  const int64_t strips = round_up(columns, cpu.tile_columns) / cpu.tile_columns;
  const int64_t blocks = (depth + kGemmDepth - 1) / kGemmDepth;
  const int64_t batch = std::max<int64_t>(1, 4096 / (cpu.tile_columns * std::min(depth, kGemmDepth) + 1));
  const int64_t total = strips * blocks;
  pool.parallel_for((total + batch - 1) / batch, [&](int64_t task, int) {
    for (int64_t i = task * batch; i < std::min(total, (task + 1) * batch); ++i) {
      const int64_t k0 = i / strips * kGemmDepth, strip = i % strips;
      const int64_t block_depth = std::min(kGemmDepth, depth - k0);
      float* target = packed + k0 * strips * cpu.tile_columns + strip * cpu.tile_columns * block_depth;
      cpu.pack_columns(b, k0, block_depth, strip * cpu.tile_columns, columns, target);
    }
  });
}

void gemm_row_block(const Implementation& cpu, const MatrixView& a, int64_t m0, int64_t rows, int64_t columns,
                    int64_t depth, const float* packed_b, bool accumulate, float* c, int64_t ldc,
                    float* scratch) {
  const int64_t padded_columns = round_up(columns, cpu.tile_columns);
  for (int64_t k0 = 0; k0 < depth; k0 += kGemmDepth) {
    const int64_t block_depth = std::min(kGemmDepth, depth - k0);
    const RowPanels panels = cpu.pack_rows(a, m0, rows, k0, block_depth, scratch);
    cpu.tile_block(panels, scratch, packed_b + k0 * padded_columns, rows, columns, block_depth,
                   accumulate || k0 > 0, c, ldc);
  }
}

void gemm(ThreadPool& pool, const Implementation& cpu, const Gemm& g, float* workspace) {
  if (g.rows <= 0 || g.columns <= 0) return;
  if (g.depth <= 0) {
    if (g.accumulate) return;
    for (int64_t m = 0; m < g.rows; ++m) std::fill_n(g.c + m * g.ldc, g.columns, 0.f);
    return;
  }
  pack_matrix(pool, cpu, g.b, g.columns, g.depth, workspace);
  float* scratch = workspace + packed_size(cpu, g.columns, g.depth);
  // Short products are cut finer so that all threads have work; the block height never changes a result.
  const int64_t tasks = pool.threads() == 1 ? 1 : 2 * pool.threads();
  const int64_t fair = round_up((g.rows + tasks - 1) / tasks, cpu.tile_rows);
  const int64_t height = std::min(kGemmRows, fair);
  const int64_t scratch_size = row_scratch(cpu);
  pool.parallel_for((g.rows + height - 1) / height, [&](int64_t task, int worker) {
    const int64_t m0 = task * height;
    gemm_row_block(cpu, g.a, m0, std::min(height, g.rows - m0), g.columns, g.depth, workspace, g.accumulate,
                   g.c + m0 * g.ldc, g.ldc, scratch + worker * scratch_size);
  });
}

}  // namespace lapidary
