// Phase two of the policy loss: g of every token, and the diagnostics. Floor on an H100: 12 bytes a token of
// a unit gate with weights, or of a clip (logp, weight or anchor, g), 2^20 tokens in 3.8 us at 3.35 TB/s; in
// that time 90 f64 operations a token, which the map in double is near with one exponential and all its
// counts.
#include "cuda/launch.h"
#include "cuda/policy_loss_diagnostics.cuh"
#include "cuda/policy_loss_tiles.cuh"

namespace lapidary::cuda {
namespace {

// What all tiles of a sequence have in common.
struct SequenceContext {
  SequenceMap map;
  double scale, shared;
  Pull pull;
};

__device__ __forceinline__ PairPull pair_of(const lap_policy_loss_args& args, int64_t chosen,
                                            int64_t rejected) {
  return pair_pull(args.objective, args.stats[chosen], args.stats[rejected], args.seq_scale[chosen]);
}

__device__ __forceinline__ Pull sequence_pull(const lap_policy_loss_args& args, const LossWork& work,
                                              int64_t i) {
  if (!is_pair_term(args.objective.sequence_term))
    return pull_of(args.objective, args.stats[i], args.seq_scale[i], args.advantages[i]);
  if (args.pairs != nullptr) return work.pulls[i];
  const PairPull pair = pair_of(args, i - i % 2, i - i % 2 + 1);
  return i % 2 == 0 ? pair.chosen : pair.rejected;
}

__device__ __forceinline__ SequenceContext context_of(const lap_policy_loss_args& args, const LossWork& work,
                                                      int64_t i) {
  const lap_sequence_stats stats = args.stats[i];
  SequenceContext of{sequence_map(args, i, stats), args.seq_scale[i], 0, sequence_pull(args, work, i)};
  if (of.map.through_sequence)
    of.shared = has_one_push(args) ? stats.kept * shared_push(args, of.map) : work.shared[i];
  return of;
}

// A sum of nothing stays 0 under a scale that is not finite.
__device__ __forceinline__ double scaled(double scale, double sum) { return sum == 0 ? 0 : scale * sum; }

// Every objective, a token at a time in double.
struct DoubleMap {
  double diagnostics[LAP_DIAG_COUNT] = {};

  __device__ __forceinline__ void map(const lap_policy_loss_args& args, const Tile& tile,
                                      const SequenceContext& of) {
    double policy = 0, divergence = 0;
    for (int at = lane_of_thread(); at < tile.count; at += 32) {
      const int64_t t = tile.begin + at;
      float g = 0.f;
      if (is_kept(args, t))
        g = map_token(args, of.map, t, of.scale, of.shared, of.pull, &policy, &divergence, diagnostics);
      args.dlogp[t] = g;
    }
    diagnostics[LAP_DIAG_POLICY_LOSS] += scaled(of.scale, policy);
    diagnostics[LAP_DIAG_KL_LOSS] += scaled(of.scale, divergence);
  }
  __device__ __forceinline__ void reduce(double* row) const { reduce_warp<false>(diagnostics, row); }
};

// A thread has every so many sequences, and pairs.
__device__ __forceinline__ void count_sequences(const lap_policy_loss_args& args, const LossWork& work,
                                                double* row) {
  double diagnostics[LAP_DIAG_COUNT] = {};
  for (int64_t i = thread_of_grid(); i < args.sequences; i += threads_of_grid()) {
    count_sequence(args.objective, args.stats[i], args.advantages[i], sequence_pull(args, work, i),
                   diagnostics);
  }
  if (is_pair_term(args.objective.sequence_term)) {
    const int64_t count = args.pairs == nullptr ? args.sequences / 2 : args.pair_count;
    for (int64_t k = thread_of_grid(); k < count; k += threads_of_grid()) {
      const PairPull pair = args.pairs == nullptr ? pair_of(args, 2 * k, 2 * k + 1)
                                                  : pair_of(args, args.pairs[2 * k], args.pairs[2 * k + 1]);
      if (pair.counts) count_pair(args.objective, pair, diagnostics);
    }
  }
  reduce_warp<true>(diagnostics, row);
}

__device__ void write_nan(const lap_policy_loss_args& args) {
  for (int64_t t = thread_of_grid(); t < args.tokens; t += threads_of_grid()) args.dlogp[t] = nanf("");
  if (blockIdx.x == 0 && threadIdx.x < LAP_DIAG_COUNT) args.diagnostics[threadIdx.x] = nan("");
}

template <class Map>
__device__ __forceinline__ void map_batch(const lap_policy_loss_args& args, const LossWork& work) {
  __shared__ double table[kLossWarps][LAP_DIAG_COUNT];
  if (is_refused(work, kBadLayout | kBadContents)) return write_nan(args);
  double* row = table[warp_of_thread()];
  Map map;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kLossWarps;
  for (int64_t slot = static_cast<int64_t>(blockIdx.x) * kLossWarps + warp_of_thread(); slot < work.slots;
       slot += stride) {
    Tile tile;
    if (find_tile(args, work, slot, &tile)) map.map(args, tile, context_of(args, work, tile.sequence));
  }
  map.reduce(row);
  count_sequences(args, work, row);
  merge_block(args, work, table);
}

__global__ void __launch_bounds__(kLossThreads, 1)
    map_kernel(const lap_policy_loss_args args, const LossWork work) {
  map_batch<DoubleMap>(args, work);
}

}  // namespace

cudaError_t launch_map(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream) {
  LAP_LAUNCH(map_kernel, work.blocks, kLossThreads, 0, stream, args, work);
  return cudaGetLastError();
}

}  // namespace lapidary::cuda
