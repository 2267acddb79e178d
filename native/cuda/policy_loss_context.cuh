// What the map phase knows of a sequence before it looks at its tokens.
#pragma once

#include "cuda/policy_loss_diagnostics.cuh"
#include "cuda/policy_loss_tiles.cuh"
#include "objective/policy_map.h"

namespace lapidary::cuda {

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

}  // namespace lapidary::cuda
