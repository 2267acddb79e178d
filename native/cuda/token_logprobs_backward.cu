// dlogits of the token log-probs, in place on request. Floors at T = 8192, V = 152064, bf16 on an H100: one
// read and one write, 4.98 GB, 1.49 ms; one ex2 per logit, 0.35 ms. The form with the forward reads a row a
// second time right after the first: what of it is still in the second-level cache (50 MB for 132 rows of 304
// KB) costs no bandwidth. It is for rows that token_logprobs_staged.cu does not take: short ones, which a
// cache holds, and those too long for the device's shared memory.
#include "cuda/logit_gradient.cuh"
#include "cuda/row_launch.cuh"
#include "cuda/token_logprobs.h"
#include "cuda/token_logprobs_staged.h"

namespace lapidary::cuda {
namespace {

// A target that is neither ignored nor an index: the row is marked, not left.
template <lap_dtype kType>
__device__ void write_nan(typename Element<kType>::Storage* out, int64_t count) {
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) out[i] = Element<kType>::store(nanf(""));
}

template <lap_dtype kType, bool kCapped, bool kEntropy>
__global__ void __launch_bounds__(kMostThreads, 2)
    backward_kernel(const lap_token_logprobs_backward_args args) {
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
    if (target < 0 || target >= args.vocab) {
      write_nan<kType>(out, args.vocab);
      continue;
    }
    const auto* data = static_cast<const Storage*>(args.logits) + t * args.row_stride;
    const LogitRow row = logit_row(data, kType, args.transform, t);
    const float logit = E::load(data[target]);
    // All have read the target's logit before any overwrites it: dlogits may be the logits' own buffer.
    __syncthreads();
    const float entropy = kEntropy && h != 0.f ? args.entropy[t] : 0.f;
    const double z = capped(row, logit) / row.temperature;
    const float own = target_gradient(row, logit, args.logp[t], g, h, entropy);
    const LogitGradient constants = logit_gradient(row, args.lse[t], args.logp[t], z, g, h, entropy);
    write_gradient<kType>(data, out, args.vocab, target, own,
                          element_gradient<kCapped, kEntropy>(row, constants));
  }
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__global__ void __launch_bounds__(kMostThreads, 2)
    with_gradient_kernel(const lap_token_logprobs_with_gradient_args args) {
  using E = Element<kType>;
  using Storage = typename E::Storage;
  __shared__ StatsScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    const int32_t target = args.targets[t];
    auto* out = static_cast<Storage*>(args.dlogits) + t * args.dlogits_stride;
    const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
    RowResult result{0.f, 0.f, 0.f, 0};
    if (target == args.ignore_index) {
      write_zeros<kType>(out, args.vocab);
    } else if (target < 0 || target >= args.vocab) {
      result = {nanf(""), nanf(""), nanf(""), 0};
      write_nan<kType>(out, args.vocab);
    } else {
      const auto* data = static_cast<const Storage*>(args.logits) + t * args.row_stride;
      const LogitRow row = logit_row(data, kType, args.transform, t);
      const float logit = E::load(data[target]);
      // Its last barrier also says that all have read the target's logit.
      const LogitStats others =
          block_stats<kType, kCapped, kWeighted, false>(row, args.vocab, target, false, &scratch);
      __syncthreads();
      const double z = capped(row, logit) / row.temperature;
      result = finish_row(others, z);
      if (weight == 0.f) {
        write_zeros<kType>(out, args.vocab);
      } else {
        const float own = target_gradient(row, logit, result.logp, weight, 0.f, 0.f);
        const double lse = result.fine_lse * row.temperature;
        const float high = static_cast<float>(lse);
        const LogitGradient constants{high, static_cast<float>(lse - high), weight, 0.f};
        write_gradient<kType>(data, out, args.vocab, target, own,
                              element_gradient<kCapped, false>(row, constants));
      }
    }
    if (threadIdx.x != 0) continue;
    args.logp[t] = result.logp;
    args.lse[t] = result.lse;
    if (args.entropy != nullptr) args.entropy[t] = result.entropy;
  }
}

}  // namespace

cudaError_t token_logprobs_backward(const lap_token_logprobs_backward_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  return with_row_instance(args, args.dentropy != nullptr, [&](auto type, auto is_capped, auto entropy) {
    const auto kernel = backward_kernel<type.type, is_capped.value, entropy.value>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), row_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

cudaError_t token_logprobs_with_gradient(const lap_token_logprobs_with_gradient_args& args,
                                         cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  bool launched = false;
  const cudaError_t error = token_logprobs_with_gradient_staged(args, stream, &launched);
  if (launched || error != cudaSuccess) return error;
  return with_row_instance(args, args.entropy != nullptr, [&](auto type, auto is_capped, auto weighted) {
    const auto kernel = with_gradient_kernel<type.type, is_capped.value, weighted.value>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), row_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

}  // namespace lapidary::cuda
