// logits [T,V] -> logp, lse, entropy, top1 [T], and back. Bytes are the floor of the forward and the
// backward: each reads a logit from memory once (a second pass over a block of 2,048 hits the cache). The
// arithmetic floor is one exponential per logit; the forward with its gradient takes one for both.
#include "cpu/token_logprobs.h"

#include <algorithm>
#include <cstring>

#include "cpu/carver.h"
#include "cpu/logit_rows.h"

namespace lapidary {
namespace {

int64_t blocks_of(int64_t vocab) { return (vocab + kLogitBlock - 1) / kLogitBlock; }

// The first entry of the run from `begin` on that holds `value`.
int32_t index_of(const LogitRow& row, int64_t begin, int64_t end, float value) {
  for (int64_t i = begin; i < end; ++i) {
    if (load_element(row.data, row.dtype, i) == value) return static_cast<int32_t>(i);
  }
  return -1;
}

// The index of the largest logit, `others` being the statistics without the target.
int32_t top_of(const LogitRow& row, int64_t vocab, int64_t target, const LogitStats& others) {
  const float own = load_element(row.data, row.dtype, target);
  if (others.top_block < 0) return static_cast<int32_t>(target);
  // A block may hold the target, which counts as any other here.
  const int64_t end = std::min(vocab, others.top_block + kLogitBlock);
  float best = -std::numeric_limits<float>::infinity();
  for (int64_t i = others.top_block; i < end; ++i)
    best = std::max(best, load_element(row.data, row.dtype, i));
  const int32_t index = index_of(row, others.top_block, end, best);
  if (own > best) return static_cast<int32_t>(target);
  return own == best ? std::min(index, static_cast<int32_t>(target)) : index;
}

template <class Args>
void put_result(const Args& args, int64_t t, const RowResult& result) {
  args.logp[t] = result.logp;
  args.lse[t] = result.lse;
  if (args.entropy != nullptr) args.entropy[t] = result.entropy;
}

RowResult forward_row(const Implementation& cpu, const LogitRow& row, int64_t vocab, int64_t target,
                      bool want_entropy) {
  return finish_row(stats_without(cpu, row, vocab, target, want_entropy), scaled_target(row, target));
}

// A worker's scratch of the forward with its gradient.
struct GradientScratch {
  GradientScratch(void* base, int threads, const lap_token_logprobs_with_gradient_args& args) : carver(base) {
    references = carver.take<double>(threads * blocks_of(args.vocab));
    // An f32 row holds its own exponentials.
    exps = args.dtype == LAP_F32 ? nullptr : carver.take<float>(threads * args.vocab);
  }
  Carver carver;
  double* references;
  float* exps;
};

// One row of the forward with its gradient, for a weight other than 0.
RowResult row_with_gradient(const Implementation& cpu, const lap_token_logprobs_with_gradient_args& args,
                            int64_t t, float* exps, double* references, void* out) {
  const LogitRow row = row_of(args, t);
  const int32_t target = args.targets[t];
  const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
  const float logit = load_element(row.data, row.dtype, target);
  const double z = scaled_target(row, target);
  const LogitStats others =
      cpu.logit_exps(row, args.vocab, target, args.entropy != nullptr, exps, references);
  const RowResult result = finish_row(others, z);
  cpu.scale_exps(exps, args.vocab, references, result.fine_lse, -weight / row.temperature, args.dtype, out);
  const float own = target_gradient(row, logit, result.logp, weight, 0.f, 0.f);
  store_element(out, args.dtype, target, own);
  return result;
}

}  // namespace

Status token_logprobs(ThreadPool& pool, const Implementation& cpu, const lap_token_logprobs_args& args) {
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    const int32_t target = args.targets[t];
    RowResult result{0.f, 0.f, 0.f, 0};
    int32_t top1 = -1;
    if (target != args.ignore_index) {
      const LogitRow row = row_of(args, t);
      const LogitStats others = stats_without(cpu, row, args.vocab, target, args.entropy != nullptr);
      result = finish_row(others, scaled_target(row, target));
      if (args.top1 != nullptr && !std::isnan(result.logp)) top1 = top_of(row, args.vocab, target, others);
    }
    put_result(args, t, result);
    if (args.top1 != nullptr) args.top1[t] = top1;
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status token_logprobs_backward(ThreadPool& pool, const Implementation& cpu,
                               const lap_token_logprobs_backward_args& args) {
  const int64_t size = element_size(args.dtype);
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    const int32_t target = args.targets[t];
    void* out = static_cast<char*>(args.dlogits) + t * args.dlogits_stride * size;
    const float g = args.dlogp == nullptr ? 0.f : args.dlogp[t];
    const float h = args.dentropy == nullptr ? 0.f : args.dentropy[t];
    if (target == args.ignore_index || (g == 0.f && h == 0.f)) {
      std::memset(out, 0, static_cast<size_t>(args.vocab * size));
      return;
    }
    const LogitRow row = row_of(args, t);
    // Read before the row is overwritten: dlogits may be the logits' own buffer.
    const float logit = load_element(row.data, row.dtype, target);
    const float entropy = h == 0.f ? 0.f : args.entropy[t];
    const double z = scaled_target(row, target);
    const float own = target_gradient(row, logit, args.logp[t], g, h, entropy);
    cpu.softmax_gradient(row, logit_gradient(row, args.lse[t], args.logp[t], z, g, h, entropy), args.vocab,
                         out);
    store_element(out, args.dtype, target, own);
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

size_t token_logprobs_with_gradient_workspace(const ThreadPool& pool,
                                              const lap_token_logprobs_with_gradient_args& args) {
  return GradientScratch(nullptr, pool.threads(), args).carver.bytes();
}

Status token_logprobs_with_gradient(ThreadPool& pool, const Implementation& cpu,
                                    const lap_token_logprobs_with_gradient_args& args) {
  const GradientScratch scratch(args.workspace, pool.threads(), args);
  const int64_t size = element_size(args.dtype);
  pool.parallel_for(args.rows, [&](int64_t t, int worker) {
    const int32_t target = args.targets[t];
    void* out = static_cast<char*>(args.dlogits) + t * args.dlogits_stride * size;
    const bool ignored = target == args.ignore_index;
    if (ignored || (args.row_weights != nullptr && args.row_weights[t] == 0.f)) {
      RowResult result{0.f, 0.f, 0.f, 0};
      if (!ignored) result = forward_row(cpu, row_of(args, t), args.vocab, target, args.entropy != nullptr);
      std::memset(out, 0, static_cast<size_t>(args.vocab * size));
      return put_result(args, t, result);
    }
    float* exps = args.dtype == LAP_F32 ? static_cast<float*>(out) : scratch.exps + worker * args.vocab;
    double* references = scratch.references + worker * blocks_of(args.vocab);
    put_result(args, t, row_with_gradient(cpu, args, t, exps, references, out));
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary
