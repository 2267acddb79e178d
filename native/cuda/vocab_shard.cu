// logits [T,V] of one rank's columns -> statistics [T], and back, by the passes of the token log-probs and
// with their floors: a logit read once, and in the backward written once. The merge reads 40 bytes a token
// and rank.
#include "cuda/vocab_shard.h"

#include "cuda/logit_gradient.cuh"
#include "cuda/row_launch.cuh"
#include "objective/vocab_stats.h"

namespace lapidary::cuda {
namespace {

template <lap_dtype kType, bool kCapped, bool kWeighted>
__global__ void __launch_bounds__(kMostThreads, 2) shard_stats_kernel(const lap_vocab_shard_stats_args args) {
  using E = Element<kType>;
  __shared__ StatsScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    const int32_t target = args.targets[t];
    lap_vocab_stats stats = ignored_vocab_stats();
    if (target != args.ignore_index && target < 0) {
      const double none = nan("");
      stats = {none, none, none, none, none};
    } else if (target != args.ignore_index) {
      const auto* data = static_cast<const typename E::Storage*>(args.logits) + t * args.row_stride;
      const LogitRow row = logit_row(data, kType, args.transform, t);
      const int32_t column = column_of(args, target);
      const LogitStats others =
          block_stats<kType, kCapped, kWeighted, true>(row, args.vocab, column, false, &scratch);
      const double z = column < 0 ? 0 : capped(row, E::load(data[column])) / row.temperature;
      stats = vocab_stats(others, kWeighted, column >= 0, z);
    }
    if (threadIdx.x == 0) args.stats[t] = stats;
  }
}

constexpr unsigned kMergeThreads = 128;

__global__ void __launch_bounds__(kMergeThreads) shard_merge_kernel(const lap_vocab_shard_merge_args args) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t t = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; t < args.rows; t += stride) {
    const VocabHolders count = holders_of(args, t);
    const float none = nanf("");
    RowResult result{none, none, none, nan("")};
    if (count.ignored == args.shards)
      result = {0.f, 0.f, 0.f, 0};
    else if (are_shards_of_one_row(args, count))
      result = merge_vocab_stats(args, t);
    put_merged(args, t, result);
  }
}

// With the entropy one block has a multiprocessor to itself: two would leave each a register or two too few.
template <lap_dtype kType, bool kCapped, bool kEntropy>
__global__ void __launch_bounds__(kMostThreads, kEntropy ? 1 : 2)
    shard_backward_kernel(const lap_vocab_shard_backward_args args) {
  using E = Element<kType>;
  using Storage = typename E::Storage;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    const int32_t target = args.targets[t];
    auto* out = static_cast<Storage*>(args.dlogits) + t * args.dlogits_stride;
    const float g = args.dlogp[t], h = kEntropy ? args.dentropy[t] : 0.f;
    if (target == args.ignore_index || (g == 0.f && h == 0.f)) {
      write_zeros<kType>(out, args.vocab);
      continue;
    }
    const auto* data = static_cast<const Storage*>(args.logits) + t * args.row_stride;
    const LogitRow row = logit_row(data, kType, args.transform, t);
    const int32_t column = column_of(args, target);
    const float logit = column < 0 ? 0.f : E::load(data[column]);
    // All have read the target's logit before any overwrites it: dlogits may be the logits' own buffer.
    __syncthreads();
    const float entropy = kEntropy && h != 0.f ? args.entropy[t] : 0.f;
    const double lse = static_cast<double>(args.lse[t]) + args.lse_low[t];
    // A target out of range has NaN as its lse, and so in its row.
    const LogitGradient constants = logit_gradient(row, lse, g, h, entropy);
    const float own = column < 0 ? 0.f : target_gradient(row, logit, args.logp[t], g, h, entropy);
    write_gradient<kType>(data, out, args.vocab, column, own,
                          element_gradient<kCapped, kEntropy>(row, constants));
  }
}

}  // namespace

cudaError_t vocab_shard_stats(const lap_vocab_shard_stats_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  return with_row_instance(args, args.want_entropy != 0, [&](auto type, auto is_capped, auto weighted) {
    const auto kernel = shard_stats_kernel<type.type, is_capped.value, weighted.value>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), row_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

cudaError_t vocab_shard_merge(const lap_vocab_shard_merge_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  const unsigned blocks = row_blocks((args.rows + kMergeThreads - 1) / kMergeThreads);
  LAP_LAUNCH(shard_merge_kernel, blocks, kMergeThreads, 0, stream, args);
  return cudaGetLastError();
}

cudaError_t vocab_shard_backward(const lap_vocab_shard_backward_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  return with_row_instance(args, args.dentropy != nullptr, [&](auto type, auto is_capped, auto entropy) {
    const auto kernel = shard_backward_kernel<type.type, is_capped.value, entropy.value>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), row_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

}  // namespace lapidary::cuda
