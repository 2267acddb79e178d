// hidden [T,H] x weight [V,H] -> logp, lse, entropy, top1 [T]. 2 T H V operations are the floor; logits live
// only as tiles of 48 x 512 per thread, and each row carries the statistics of the tiles it has passed.
#include "cpu/linear_logprobs.h"

#include "cpu/logit_math.h"
#include "cpu/vocab_tile.h"

namespace lapidary {
namespace {

struct RowState {
  LogitStats others;
  double target;
  float top_logit;
  int32_t top;  // of the entries so far, the first of the largest logits; -1: none
};

struct Workspace {
  Workspace(void* base, const ThreadPool& pool, const Implementation& cpu,
            const lap_linear_logprobs_args& args)
      : carver(base) {
    const int64_t tile = std::min(kVocabTile, args.vocab);
    state = carver.take<RowState>(args.rows);
    packed = carver.take<float>(packed_size(cpu, tile, args.width));
    logits = carver.take<float>(pool.threads() * kGemmRows * kVocabTile);
    scratch = carver.take<float>(pool.threads() * row_scratch(cpu));
  }
  Carver carver;
  RowState* state;
  float *packed, *logits, *scratch;
};

// Adds the logits [first, first + count) of one row to its statistics, its target kept apart.
void absorb(const Implementation& cpu, const LogitRow& row, int64_t first, int64_t count, int32_t target,
            bool want_entropy, RowState* state) {
  const int64_t local = target - first;
  if (local < 0 || local >= count) {
    merge(&state->others, cpu.logit_stats(row, 0, count, want_entropy));
    return;
  }
  state->target = capped(row, static_cast<const float*>(row.data)[local]) / row.temperature;
  merge(&state->others, cpu.logit_stats(row, 0, local, want_entropy));
  merge(&state->others, cpu.logit_stats(row, local + 1, count, want_entropy));
}

void raise_top(const float* logits, int64_t first, int64_t count, RowState* state) {
  for (int64_t i = 0; i < count; ++i) {
    if (!(logits[i] > state->top_logit)) continue;
    state->top_logit = logits[i];
    state->top = static_cast<int32_t>(first + i);
  }
}

}  // namespace

size_t linear_logprobs_workspace(const ThreadPool& pool, const Implementation& cpu,
                                 const lap_linear_logprobs_args& args) {
  return Workspace(nullptr, pool, cpu, args).carver.bytes();
}

Status linear_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_args& args) {
  Workspace work(args.workspace, pool, cpu, args);
  const bool want_entropy = args.entropy != nullptr;
  const MatrixView hidden{args.hidden, args.dtype, args.hidden_stride, 1};
  for (int64_t t = 0; t < args.rows; ++t)
    work.state[t] = {
        {-std::numeric_limits<double>::infinity(), 0, 0, -1}, 0, -std::numeric_limits<float>::infinity(), -1};
  const int64_t blocks = (args.rows + kGemmRows - 1) / kGemmRows;
  for (int64_t first = 0; first < args.vocab && !pool.is_cancelled(); first += kVocabTile) {
    const int64_t count = std::min(kVocabTile, args.vocab - first);
    pack_matrix(pool, cpu, weight_tile(args.weight, args.dtype, args.weight_stride, first), count, args.width,
                work.packed);
    pool.parallel_for(blocks, [&](int64_t block, int worker) {
      const int64_t m0 = block * kGemmRows, rows = std::min(kGemmRows, args.rows - m0);
      float* tile = work.logits + worker * kGemmRows * kVocabTile;
      gemm_row_block(cpu, hidden, m0, rows, count, args.width, work.packed, false, tile, kVocabTile,
                     work.scratch + worker * row_scratch(cpu));
      for (int64_t r = 0; r < rows; ++r) {
        if (args.targets[m0 + r] == args.ignore_index) continue;
        const LogitRow row = logit_row(tile + r * kVocabTile, LAP_F32, args.transform, m0 + r);
        absorb(cpu, row, first, count, args.targets[m0 + r], want_entropy, &work.state[m0 + r]);
        if (args.top1 != nullptr) raise_top(tile + r * kVocabTile, first, count, &work.state[m0 + r]);
      }
    });
  }
  if (pool.is_cancelled()) return cancelled();
  for (int64_t t = 0; t < args.rows; ++t) {
    RowResult result{0.f, 0.f, 0.f, 0};
    if (args.targets[t] != args.ignore_index) result = finish_row(work.state[t].others, work.state[t].target);
    args.logp[t] = result.logp;
    args.lse[t] = result.lse;
    if (want_entropy) args.entropy[t] = result.entropy;
    if (args.top1 != nullptr) {
      const bool none = args.targets[t] == args.ignore_index || std::isnan(result.logp);
      args.top1[t] = none ? -1 : work.state[t].top;
    }
  }
  return ok_status();
}

}  // namespace lapidary
