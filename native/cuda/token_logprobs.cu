// logits [T,V] -> logp, lse, entropy, top1 [T]. Floors: T V elements read once over the bandwidth (T = 8192,
// V = 152064, bf16 on an H100: 2.49 GB, 0.74 ms), one ex2 per logit over 16 a clock and SM (0.35 ms), and
// ten instructions per logit over 128 a clock and SM (0.42 ms; counted in the PTX, bf16 with entropy: 79 for
// 8 logits, moves aside; 63 to 65 without): memory is the floor. Rows are one block each.
#include "cuda/token_logprobs.h"

#include "cuda/logit_stats.cuh"
#include "cuda/row_launch.cuh"

namespace lapidary::cuda {
namespace {

// The first element from `begin` on, the target apart, that holds the group's largest logit.
template <lap_dtype kType>
__device__ int64_t top_of_group(const typename Element<kType>::Storage* row, int64_t begin, int64_t count,
                                int64_t target, float* best) {
  using E = Element<kType>;
  // A group of the tail is shorter, but what it has found is the largest of the row.
  const int64_t end = begin + E::kGroup < count ? begin + E::kGroup : count;
  int64_t index = -1;
  *best = -INFINITY;
  for (int64_t i = begin; i < end; ++i) {
    const float x = E::load(row[i]);
    if (i == target || !(x > *best)) continue;
    *best = x;
    index = i;
  }
  return index;
}

template <lap_dtype kType>
__device__ int32_t top_of_row(const typename Element<kType>::Storage* row, int64_t count, int64_t target,
                              const LogitStats& others) {
  if (others.top_block < 0) return static_cast<int32_t>(target);
  float best;
  const int64_t index = top_of_group<kType>(row, others.top_block, count, target, &best);
  const float own = Element<kType>::load(row[target]);
  if (own > best || (own == best && target < index)) return static_cast<int32_t>(target);
  return static_cast<int32_t>(index);
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__global__ void __launch_bounds__(kMostThreads, 2) logprobs_kernel(const lap_token_logprobs_args args) {
  using E = Element<kType>;
  __shared__ StatsScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    const int32_t target = args.targets[t];
    RowResult result{0.f, 0.f, 0.f, 0};
    int32_t top1 = -1;
    if (target >= 0 && target < args.vocab) {
      const auto* data = static_cast<const typename E::Storage*>(args.logits) + t * args.row_stride;
      const LogitRow row = logit_row(data, kType, args.transform, t);
      const LogitStats others = block_stats<kType, kCapped, kWeighted, true>(row, args.vocab, target,
                                                                             args.top1 != nullptr, &scratch);
      if (threadIdx.x == 0) {
        result = finish_row(others, capped(row, E::load(data[target])) / row.temperature);
        if (args.top1 != nullptr && !isnan(result.logp))
          top1 = top_of_row<kType>(data, args.vocab, target, others);
      }
    } else if (target != args.ignore_index) {
      result = {nanf(""), nanf(""), nanf(""), 0};
    }
    if (threadIdx.x != 0) continue;
    args.logp[t] = result.logp;
    args.lse[t] = result.lse;
    if (args.entropy != nullptr) args.entropy[t] = result.entropy;
    if (args.top1 != nullptr) args.top1[t] = top1;
  }
}

}  // namespace

cudaError_t token_logprobs(const lap_token_logprobs_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  return with_row_instance(args, args.entropy != nullptr, [&](auto type, auto is_capped, auto weighted) {
    const auto kernel = logprobs_kernel<type.type, is_capped.value, weighted.value>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), row_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

}  // namespace lapidary::cuda
