// Phase two of the policy loss: g of every token, and the diagnostics. Floor on an H100: 12 bytes a token of
// a unit gate with weights, or of a clip (logp, weight or anchor, g), 2^20 tokens in 3.8 us at 3.35 TB/s; in
// that time 90 f64 operations a token, which the map in double is near with one exponential and all its
// counts.
#include "cuda/launch.h"
#include "cuda/policy_loss_single.cuh"

namespace lapidary::cuda {
namespace {

// Every objective, a token at a time in double.
struct DoubleMap {
  struct Totals {};
  double diagnostics[LAP_DIAG_COUNT] = {};

  __device__ __forceinline__ explicit DoubleMap(Totals&) {}

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
  __device__ __forceinline__ void reduce(const lap_objective&, double* row) const {
    reduce_warp<false>(diagnostics, row);
  }
};

// A thread has every so many pairs, and sequences. The terms and S in turns: together they would need more
// registers than the tokens do.
__device__ __forceinline__ void count_pairs(const lap_policy_loss_args& args, double* diagnostics) {
  const int64_t count = args.pairs == nullptr ? args.sequences / 2 : args.pair_count;
  for (int64_t k = thread_of_grid(); k < count; k += threads_of_grid()) {
    const PairPull pair = args.pairs == nullptr ? pair_of(args, 2 * k, 2 * k + 1)
                                                : pair_of(args, args.pairs[2 * k], args.pairs[2 * k + 1]);
    if (pair.counts) count_pair(args.objective, pair, diagnostics);
  }
}
__device__ __forceinline__ void count_sequences(const lap_policy_loss_args& args, const LossWork& work,
                                                double* row) {
  double diagnostics[LAP_DIAG_COUNT] = {};
  if (is_pair_term(args.objective.sequence_term)) count_pairs(args, diagnostics);
  for (int64_t i = thread_of_grid(); i < args.sequences; i += threads_of_grid())
    diagnostics[LAP_DIAG_SEQUENCE_LOSS] += sequence_pull(args, work, i).value;
  for (int64_t i = thread_of_grid(); i < args.sequences; i += threads_of_grid())
    count_sequence(args.objective, args.stats[i], args.advantages[i], {0, 0, 0}, diagnostics);
  reduce_warp<true>(diagnostics, row);
}

__device__ void write_nan(const lap_policy_loss_args& args) {
  for (int64_t t = thread_of_grid(); t < args.tokens; t += threads_of_grid()) args.dlogp[t] = nanf("");
  if (blockIdx.x == 0 && threadIdx.x < LAP_DIAG_COUNT) args.diagnostics[threadIdx.x] = nan("");
}

template <class Map>
__device__ __forceinline__ void map_batch(const lap_policy_loss_args& args, const LossWork& work) {
  __shared__ typename Map::Totals totals;
  __shared__ double table[kLossWarps][LAP_DIAG_COUNT];
  if (is_refused(work, kBadLayout | kBadContents)) return write_nan(args);
  double* row = table[warp_of_thread()];
  Map map(totals);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kLossWarps;
  for (int64_t slot = static_cast<int64_t>(blockIdx.x) * kLossWarps + warp_of_thread(); slot < work.slots;
       slot += stride) {
    Tile tile;
    if (find_tile(args, work, slot, &tile)) map.map(args, tile, context_of(args, work, tile.sequence));
  }
  map.reduce(args.objective, row);
  count_sequences(args, work, row);
  merge_block(args, work, table);
}

__global__ void __launch_bounds__(kLossThreads, 3)
    map_kernel(const lap_policy_loss_args args, const LossWork work) {
  map_batch<DoubleMap>(args, work);
}
template <bool kRatio>
__global__ void __launch_bounds__(kLossThreads, kRatio ? 5 : 7)
    single_map_kernel(const lap_policy_loss_args args, const LossWork work) {
  map_batch<SingleMap<kRatio>>(args, work);
}

}  // namespace

cudaError_t launch_map(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream) {
  const auto kernel = !has_float_form(args)           ? map_kernel
                      : is_ratio_gate(args.objective) ? single_map_kernel<true>
                                                      : single_map_kernel<false>;
  LAP_LAUNCH(kernel, work.blocks, kLossThreads, 0, stream, args, work);
  return cudaGetLastError();
}

}  // namespace lapidary::cuda
