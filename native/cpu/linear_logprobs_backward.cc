// Backward of the linear log-probs. Rows whose gradient is zero are left out first; the others go through in
// chunks, each recomputing its logits tile by tile (2 T H V), turning them into gradients in place, and
// multiplying them into dhidden and dweight (2 T H V each): 6 T H V operations are the floor with
// recomputation.
#include <cstring>

#include "cpu/element.h"
#include "cpu/linear_logprobs.h"
#include "cpu/logit_math.h"
#include "cpu/vocab_tile.h"

namespace lapidary {
namespace {

constexpr int64_t kChunkRows = 384;

struct Workspace {
  Workspace(void* base, const ThreadPool& pool, const Implementation& cpu,
            const lap_linear_logprobs_backward_args& args)
      : carver(base) {
    const int64_t tile = std::min(kVocabTile, args.vocab);
    const int64_t rows = std::min(kChunkRows, args.rows);
    active = carver.take<int64_t>(args.rows);
    target_logit = carver.take<float>(rows);
    hidden = carver.take<float>(rows * args.width);
    dhidden = carver.take<float>(rows * args.width);
    dlogits = carver.take<float>(rows * tile);
    packed_weight = carver.take<float>(packed_size(cpu, tile, args.width));
    const int64_t deepest = std::max(tile, rows);
    product = carver.take<float>(gemm_workspace(cpu, args.width, deepest, pool.threads()));
    scratch = carver.take<float>(pool.threads() * row_scratch(cpu));
  }
  Carver carver;
  int64_t* active;
  float *target_logit, *hidden, *dhidden, *dlogits, *packed_weight, *product, *scratch;
};

// One chunk of active rows: `rows` of them, indices in `active`.
class Chunk {
 public:
  Chunk(ThreadPool& pool, const Implementation& cpu, const lap_linear_logprobs_backward_args& args,
        Workspace& work, const int64_t* active, int64_t rows)
      : pool_(pool), cpu_(cpu), args_(args), work_(work), active_(active), rows_(rows) {}

  void gather() {
    const int64_t width = args_.width;
    pool_.parallel_for(rows_, [&](int64_t r, int) {
      float* row = work_.hidden + r * width;
      const int64_t base = active_[r] * args_.hidden_stride;
      for (int64_t h = 0; h < width; ++h) row[h] = load_element(args_.hidden, args_.dtype, base + h);
      std::memset(work_.dhidden + r * width, 0, static_cast<size_t>(width) * sizeof(float));
    });
  }

  // The logit of each row's target, for a finer lse than the stored one (logit_math.h).
  void target_logits() {
    pool_.parallel_for(rows_, [&](int64_t r, int) {
      const int64_t base = args_.targets[active_[r]] * args_.weight_stride;
      const float* row = work_.hidden + r * args_.width;
      double sum = 0;
      for (int64_t h = 0; h < args_.width; ++h)
        sum += static_cast<double>(row[h]) * load_element(args_.weight, args_.dtype, base + h);
      work_.target_logit[r] = static_cast<float>(sum);
    });
  }

  // dlogits of the vocabulary entries [first, first + count).
  void logit_gradients(int64_t first, int64_t count) {
    pack_matrix(pool_, cpu_, weight_tile(args_.weight, args_.dtype, args_.weight_stride, first), count,
                args_.width, work_.packed_weight);
    const int64_t blocks = (rows_ + kGemmRows - 1) / kGemmRows;
    pool_.parallel_for(blocks, [&](int64_t block, int worker) {
      const int64_t m0 = block * kGemmRows, rows = std::min(kGemmRows, rows_ - m0);
      float* tile = work_.dlogits + m0 * count;
      gemm_row_block(cpu_, matrix(work_.hidden, args_.width), m0, rows, count, args_.width,
                     work_.packed_weight, false, tile, count, work_.scratch + worker * row_scratch(cpu_));
      for (int64_t r = 0; r < rows; ++r) row_gradient(m0 + r, first, count, tile + r * count);
    });
  }

  void add_to_hidden(int64_t first, int64_t count) {
    const int64_t bytes = first * args_.weight_stride * element_size(args_.dtype);
    const MatrixView weight{static_cast<const char*>(args_.weight) + bytes, args_.dtype, args_.weight_stride,
                            1};
    gemm(pool_, cpu_,
         {rows_, args_.width, count, matrix(work_.dlogits, count), weight, work_.dhidden, args_.width, true},
         work_.product);
  }

  void add_to_weight(int64_t first, int64_t count, bool accumulate) {
    gemm(pool_, cpu_,
         {count, args_.width, rows_, transposed(work_.dlogits, count), matrix(work_.hidden, args_.width),
          args_.dweight + first * args_.width, args_.width, accumulate},
         work_.product);
  }

  void scatter() {
    for (int64_t r = 0; r < rows_; ++r) {
      std::memcpy(args_.dhidden + active_[r] * args_.width, work_.dhidden + r * args_.width,
                  static_cast<size_t>(args_.width) * sizeof(float));
    }
  }

 private:
  void row_gradient(int64_t r, int64_t first, int64_t count, float* logits) {
    const int64_t t = active_[r];
    const int64_t local = args_.targets[t] - first;
    const bool holds_target = local >= 0 && local < count;
    const LogitRow row = logit_row(logits, LAP_F32, args_.transform, t);
    const float logit = work_.target_logit[r], logp = args_.logp[t], g = args_.dlogp[t];
    const double z = capped(row, logit) / row.temperature;
    cpu_.softmax_gradient(row, logit_gradient(row, args_.lse[t], logp, z, g, 0.f, 0.f), count, logits);
    if (holds_target) logits[local] = target_gradient(row, logit, logp, g, 0.f, 0.f);
  }

  ThreadPool& pool_;
  const Implementation& cpu_;
  const lap_linear_logprobs_backward_args& args_;
  Workspace& work_;
  const int64_t* active_;
  int64_t rows_;
};

}  // namespace

size_t linear_logprobs_backward_workspace(const ThreadPool& pool, const Implementation& cpu,
                                          const lap_linear_logprobs_backward_args& args) {
  return Workspace(nullptr, pool, cpu, args).carver.bytes();
}

Status linear_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                                const lap_linear_logprobs_backward_args& args) {
  Workspace work(args.workspace, pool, cpu, args);
  int64_t count = 0;
  for (int64_t t = 0; t < args.rows; ++t) {
    if (args.targets[t] != args.ignore_index && args.dlogp[t] != 0.f) work.active[count++] = t;
  }
  if (args.dhidden != nullptr) std::memset(args.dhidden, 0, static_cast<size_t>(args.rows * args.width) * 4);
  if (args.dweight != nullptr && !args.accumulate_dweight) {
    std::memset(args.dweight, 0, static_cast<size_t>(args.vocab * args.width) * 4);
  }
  for (int64_t start = 0; start < count && !pool.is_cancelled(); start += kChunkRows) {
    const int64_t rows = std::min(kChunkRows, count - start);
    Chunk chunk(pool, cpu, args, work, work.active + start, rows);
    chunk.gather();
    chunk.target_logits();
    for (int64_t first = 0; first < args.vocab && !pool.is_cancelled(); first += kVocabTile) {
      const int64_t tile = std::min(kVocabTile, args.vocab - first);
      chunk.logit_gradients(first, tile);
      if (args.dhidden != nullptr) chunk.add_to_hidden(first, tile);
      if (args.dweight != nullptr) chunk.add_to_weight(first, tile, true);
    }
    if (args.dhidden != nullptr) chunk.scatter();
  }
  return pool.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary
