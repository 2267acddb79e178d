// Phase one of the policy loss: the sums over each sequence, in f64, of log-ratios that are subtracted per
// token. Floor on an H100: 8 bytes a token (logp and one anchor), 2^20 tokens in 2.5 us at 3.35 TB/s; 4 f64
// operations and conversions a token, a third of that. Also the sums of to_sequence, out of the stats, for
// ratios of the sequence with a gradient through it.
#include "cuda/launch.h"
#include "cuda/policy_loss_tiles.cuh"
#include "objective/policy_map.h"

namespace lapidary::cuda {
namespace {

__device__ void write_nan_stats(const lap_policy_loss_args& args) {
  const double none = nan("");
  for (int64_t i = thread_of_grid(); i < args.sequences; i += threads_of_grid())
    args.stats[i] = {none, none, none, none, none};
}

__global__ void __launch_bounds__(kLossThreads, 8)
    reduce_kernel(const lap_policy_loss_args args, const LossWork work) {
  if (is_refused(work, kBadLayout)) return write_nan_stats(args);
  const lap_objective& objective = args.objective;
  const bool uses[kColumns] = {true, objective.sequence_term != LAP_SEQUENCE_NONE, needs_ratio_sum(objective),
                               needs_importance_sum(objective), objective.sequence_mask > 0};
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kLossWarps;
  for (int64_t slot = static_cast<int64_t>(blockIdx.x) * kLossWarps + warp_of_thread(); slot < work.slots;
       slot += stride) {
    Tile tile;
    if (!find_tile(args, work, slot, &tile)) continue;
    double sums[kColumns] = {};
    sums[kKept] = args.mask == nullptr ? tile.count : tile_sum(args, tile, [](int64_t) { return 1.0; });
    if (uses[kLogRatio])
      sums[kLogRatio] = tile_sum(args, tile, [&](int64_t t) { return log_ratio_of(args, t); });
    if (uses[kRatio]) {
      const double advantage = args.advantages == nullptr ? 0 : args.advantages[tile.sequence];
      sums[kRatio] = tile_sum(args, tile, [&](int64_t t) { return ratio_part(args, t, advantage); });
    }
    if (uses[kImportance])
      sums[kImportance] = tile_sum(args, tile, [&](int64_t t) { return importance_part(args, t); });
    if (uses[kBehaviour])
      sums[kBehaviour] = tile_sum(args, tile, [&](int64_t t) { return behaviour_part(args, t); });
    finish_tile(work, tile, slot, sums, uses, [&](const double(&of)[kColumns]) {
      if (lane_of_thread() == 0)
        args.stats[tile.sequence] = {of[kKept], of[kLogRatio], of[kRatio], of[kImportance], of[kBehaviour]};
    });
  }
}

__global__ void __launch_bounds__(kLossThreads, 4)
    shared_kernel(const lap_policy_loss_args args, const LossWork work) {
  if (is_refused(work, kBadLayout | kBadContents)) return;
  const bool uses[1] = {true};
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kLossWarps;
  for (int64_t slot = static_cast<int64_t>(blockIdx.x) * kLossWarps + warp_of_thread(); slot < work.slots;
       slot += stride) {
    Tile tile;
    if (!find_tile(args, work, slot, &tile)) continue;
    const SequenceMap map = sequence_map(args, tile.sequence, args.stats[tile.sequence]);
    double sum = 0;
    for (int at = lane_of_thread(); at < tile.count; at += 32) {
      const int64_t t = tile.begin + at;
      if (is_kept(args, t)) sum += push_of(args, map, token_of(args, map, t), nullptr).to_sequence;
    }
    double sums[1] = {warp_sum(sum)};
    finish_tile(work, tile, slot, sums, uses, [&](const double(&of)[1]) {
      if (lane_of_thread() == 0) work.shared[tile.sequence] = of[0];
    });
  }
}

// More blocks than are resident, so that they balance; which block does a tile changes nothing.
unsigned tile_blocks(const LossWork& work) {
  constexpr int64_t kMost = 8192;
  const int64_t blocks = (work.slots + kLossWarps - 1) / kLossWarps;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

}  // namespace

cudaError_t launch_reduce(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream) {
  if (args.sequences == 0) return cudaSuccess;
  LAP_LAUNCH(reduce_kernel, tile_blocks(work), kLossThreads, 0, stream, args, work);
  return cudaGetLastError();
}

cudaError_t launch_shared(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream) {
  if (args.sequences == 0) return cudaSuccess;
  LAP_LAUNCH(shared_kernel, tile_blocks(work), kLossThreads, 0, stream, args, work);
  return cudaGetLastError();
}

}  // namespace lapidary::cuda
