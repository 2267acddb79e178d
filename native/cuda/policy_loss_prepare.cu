// Before either phase: the contents that the host cannot see are looked at, counters are cleared, and rows
// with lengths get the offsets they would have packed, so that both layouts have the same tiles in the same
// slots. Floor: 8 bytes a sequence, or the launch.
#include "cuda/launch.h"
#include "cuda/policy_loss_tiles.cuh"

namespace lapidary::cuda {
namespace {

constexpr int kScanThreads = 1024;

// Exclusive sums of the lengths by one block: a thread has a run of neighbours, and the runs are added up in
// between. Rows are padded, so there are few of them. A length that is none counts as 0; prepare_kernel
// refuses it.
__global__ void __launch_bounds__(kScanThreads)
    scan_kernel(const lap_policy_loss_args args, const LossWork work) {
  __shared__ int64_t sums[kScanThreads];
  const int64_t each = (args.sequences + kScanThreads - 1) / kScanThreads;
  const int own_place = static_cast<int>(threadIdx.x);
  const int64_t first = own_place * each;
  const int64_t end = first + each < args.sequences ? first + each : args.sequences;
  const auto length_of = [&](int64_t i) {
    const int64_t length = args.lengths[i];
    return length >= 0 && length <= args.row_stride ? length : 0;
  };
  int64_t own = 0;
  for (int64_t i = first; i < end; ++i) own += length_of(i);
  sums[own_place] = own;
  for (int distance = 1; distance < kScanThreads; distance *= 2) {
    __syncthreads();
    const int64_t before = own_place >= distance ? sums[own_place - distance] : 0;
    __syncthreads();
    sums[own_place] += before;
  }
  int64_t offset = sums[own_place] - own;
  for (int64_t i = first; i < end; ++i) {
    work.scanned[i] = offset;
    offset += length_of(i);
  }
  if (threadIdx.x == kScanThreads - 1) work.scanned[args.sequences] = sums[own_place];
}

// Together these hold every offset in [0, N]: from 0, not decreasing, to N.
__device__ bool is_bad_offset(const lap_policy_loss_args& args, int64_t i) {
  const int64_t* offsets = args.cu_seqlens;
  return (i == 0 && offsets[0] != 0) || (i == args.sequences && offsets[i] != args.tokens) ||
         (i > 0 && offsets[i] < offsets[i - 1]);
}
__device__ bool is_bad_pair(const lap_policy_loss_args& args, int64_t k) {
  const int64_t chosen = args.pairs[2 * k], rejected = args.pairs[2 * k + 1];
  return chosen < 0 || chosen >= args.sequences || rejected < 0 || rejected >= args.sequences ||
         chosen == rejected;
}

__global__ void __launch_bounds__(kLossThreads)
    prepare_kernel(const lap_policy_loss_args args, const LossWork work, const bool maps) {
  const int64_t own = thread_of_grid(), stride = threads_of_grid();
  bool bad_layout = false, bad_contents = false;
  for (int64_t i = own; i <= args.sequences; i += stride) {
    if (args.cu_seqlens != nullptr) bad_layout |= is_bad_offset(args, i);
    if (i == args.sequences) break;
    if (args.cu_seqlens == nullptr && args.lengths != nullptr)
      bad_layout |= args.lengths[i] < 0 || args.lengths[i] > args.row_stride;
    if (maps && args.objective.gate == LAP_GATE_NFT)
      bad_contents |= !(args.nft_quality[i] >= 0 && args.nft_quality[i] < 1);
    work.arrived[i] = 0;
    if (work.heads != nullptr) work.heads[i] = kNoNode;
  }
  if (maps && is_pair_term(args.objective.sequence_term) && args.pairs != nullptr)
    for (int64_t k = own; k < args.pair_count; k += stride) bad_contents |= is_bad_pair(args, k);
  for (int64_t k = own; k <= work.groups; k += stride) work.merged[k] = 0;
  unsigned verdict = 0;
  if (__syncthreads_or(bad_layout) != 0) verdict |= kBadLayout;
  if (__syncthreads_or(bad_contents) != 0) verdict |= kBadContents;
  if (threadIdx.x == 0) work.verdicts[blockIdx.x] = verdict;
}

}  // namespace

cudaError_t launch_prepare(const lap_policy_loss_args& args, const LossWork& work, bool maps,
                           cudaStream_t stream) {
  if (work.scanned != nullptr) {
    LAP_LAUNCH(scan_kernel, 1, kScanThreads, 0, stream, args, work);
    const cudaError_t scanned = cudaGetLastError();
    if (scanned != cudaSuccess) return scanned;
  }
  LAP_LAUNCH(prepare_kernel, work.verdict_count, kLossThreads, 0, stream, args, work, maps);
  return cudaGetLastError();
}

}  // namespace lapidary::cuda
