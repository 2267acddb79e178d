// logits [T,V] -> log-probs and dlogits, every logit read from memory once. Floors at T = 8192, V = 152064,
// bf16 on an H100: one read and one write, 4.98 GB, 1.49 ms at 3.35 TB/s, 1.66 at 3.0; two ex2 per logit over
// 16 a clock and SM, 0.67 ms.
//
// A row stays in shared memory between its statistics and its gradient. 304 KB exceed one SM (227 KB), so the
// blocks of a cluster hold a part each, and tell each other their statistics by writing them into each
// other's shared memory. Four blocks have 75 KB each, and three such blocks fit on an SM beside each other:
// while one waits for its part, another computes and a third writes. At 3.0 TB/s an SM's share of the memory
// takes 6.6 us for the 150 KB that a block reads and writes, so three blocks have turns of 20 us: memory is
// never short of work as long as what is not memory in a turn (the copy's latency, two passes, barriers, f64
// at the row's end) stays below the other 13. Two rows in flight within a block would need twice the memory,
// so half the blocks, for the same.
//
// A copy is one cp.async.bulk of the part, which needs no registers and no thread: few threads suffice, and
// have 80 registers. Clusters are persistent and take rows in turn.
//
// Why it is safe: (1) No block writes into another's memory before both have begun (the first cluster
// barrier), nor after the other may have ended (its writes come before a barrier that both pass). (2) The
// statistics of a row lie in one of two places in turn: who writes the next but one has passed the barrier of
// the row between, where the reader arrived after its reading. (3) In place, a gradient is written after the
// row's cluster barrier, before which every block has its copy and has read the target's logit. (4) A copy
// overwrites shared memory that all threads have read and, for the words at a row's ends, written themselves:
// each has issued a proxy fence and passed a barrier since.
#include "cuda/row_launch.cuh"
#include "cuda/staged_launch.h"
#include "cuda/staged_row.cuh"
#include "cuda/token_logprobs_staged.h"

namespace lapidary::cuda {
namespace {

constexpr int kStagedThreads = 256;
constexpr int kStagedBlocks = 3;  // on a multiprocessor

struct PartStats {
  double max, sum, weighted;
};

struct Staging {
  Arrival arrival;
  PartStats parts[2][kMostClusterBlocks];
  StatsScratchOf<kStagedThreads / 32> scratch;
};
constexpr size_t kStagingBytes = (sizeof(Staging) + 15) / 16 * 16;

// Every block's statistics to every block, merged in the order of ranks.
__device__ __forceinline__ LogitStats exchange_stats(const LogitStats& own, unsigned rank, unsigned size,
                                                     PartStats* parts) {
  if (threadIdx.x < size) *in_block(parts + rank, threadIdx.x) = {own.max, own.sum, own.weighted};
  cluster_barrier();
  LogitStats all{-HUGE_VAL, 0, 0, -1};
  for (unsigned r = 0; r < size; ++r) merge(&all, {parts[r].max, parts[r].sum, parts[r].weighted, -1});
  return all;
}

template <lap_dtype kType>
__device__ __forceinline__ void fill_slice(typename Element<kType>::Storage* out,
                                           const RowSlice<kType>& slice, bool with_nan) {
  auto* to = out + slice.begin;
  if (!with_nan) return write_zeros<kType>(to, slice.count);
  for (int64_t i = threadIdx.x; i < slice.count; i += blockDim.x) to[i] = Element<kType>::store(nanf(""));
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__device__ __forceinline__ RowResult staged_row(const lap_token_logprobs_with_gradient_args& args, int64_t t,
                                                int32_t target, const RowSlice<kType>& slice,
                                                typename Element<kType>::Storage* out, unsigned turn,
                                                Staging* staging) {
  using E = Element<kType>;
  const auto* data = static_cast<const typename E::Storage*>(args.logits) + t * args.row_stride;
  Arrival::release();
  __syncthreads();
  begin_copy<kType>(data, args.vocab, slice, &staging->arrival);
  const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
  const LogitRow row = logit_row(data, kType, args.transform, t);
  const float logit = E::load(data[target]);
  const Transform<kCapped> transform = transform_of<kCapped>(row);
  staging->arrival.wait(turn % 2);
  __syncthreads();
  const auto thread = slice_stats<kType, kCapped, kWeighted>(slice, target, transform);
  const LogitStats part = join_stats(thread, transform.scale, row.temperature, false, &staging->scratch);
  const LogitStats others = exchange_stats(part, cluster_rank(), cluster_size(), staging->parts[turn % 2]);
  const RowResult result = finish_row(others, capped(row, logit) / row.temperature);
  if (weight == 0.f) {
    fill_slice<kType>(out, slice, false);
    return result;
  }
  const float own = target_gradient(row, logit, result.logp, weight, 0.f, 0.f);
  const double lse = result.fine_lse * row.temperature;
  const float high = static_cast<float>(lse);
  const LogitGradient constants{high, static_cast<float>(lse - high), weight, 0.f};
  write_slice_gradient<kType>(slice, out, target, own, element_gradient<kCapped, false>(row, constants));
  return result;
}

template <lap_dtype kType, bool kCapped, bool kWeighted>
__global__ void __launch_bounds__(kStagedThreads, kStagedBlocks)
    staged_gradient_kernel(const lap_token_logprobs_with_gradient_args args) {
  using Storage = typename Element<kType>::Storage;
  LAP_DYNAMIC_SHARED(memory);
  auto* staging = reinterpret_cast<Staging*>(memory);
  auto* words = reinterpret_cast<uint4*>(memory + kStagingBytes);
  const unsigned rank = cluster_rank(), size = cluster_size();
  if (threadIdx.x == 0) staging->arrival.prepare();
  cluster_barrier();
  unsigned turn = 0;
  for (int64_t t = blockIdx.x / size; t < args.rows; t += gridDim.x / size) {
    const int32_t target = args.targets[t];
    const auto* data = static_cast<const Storage*>(args.logits) + t * args.row_stride;
    auto* out = static_cast<Storage*>(args.dlogits) + t * args.dlogits_stride;
    const RowSlice<kType> slice = slice_of<kType>(data, args.vocab, rank, size, words);
    RowResult result{0.f, 0.f, 0.f, 0};
    if (target == args.ignore_index) {
      fill_slice<kType>(out, slice, false);
    } else if (target < 0 || target >= args.vocab) {
      result = {nanf(""), nanf(""), nanf(""), 0};
      fill_slice<kType>(out, slice, true);
    } else {
      result = staged_row<kType, kCapped, kWeighted>(args, t, target, slice, out, turn++, staging);
    }
    if (threadIdx.x != 0 || rank != 0) continue;
    args.logp[t] = result.logp;
    args.lse[t] = result.lse;
    if (args.entropy != nullptr) args.entropy[t] = result.entropy;
  }
}

}  // namespace

cudaError_t token_logprobs_with_gradient_staged(const lap_token_logprobs_with_gradient_args& args,
                                                cudaStream_t stream, bool* launched) {
  *launched = false;
  SharedLimits limits;
  const cudaError_t error = shared_limits(&limits);
  if (error != cudaSuccess) return error;
  const int64_t row_bytes = args.vocab * element_bytes(args.dtype);
  const StagedPlan plan = staged_plan((row_bytes + 15) / 16, 16, 1, kStagingBytes, limits);
  if (plan.cluster == 0) return cudaSuccess;
  return with_row_instance(args, args.entropy != nullptr, [&](auto type, auto is_capped, auto weighted) {
    const auto kernel = staged_gradient_kernel<type.type, is_capped.value, weighted.value>;
    return launch_staged(kernel, plan, limits, kStagedThreads, args.rows, args, stream, launched);
  });
}

}  // namespace lapidary::cuda
