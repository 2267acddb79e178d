// Pairs that are given as indices: what each sequence gets from all of its pairs, added up in the order of
// the pairs. A sequence's pairs are strung into a list by an exchange, in whatever order the threads come;
// then one thread sorts each list, and the order of the sum is fixed. Floor: 16 bytes a pair, and a few
// dependent accesses for each.
#include "cuda/launch.h"
#include "cuda/policy_loss_tiles.cuh"

namespace lapidary::cuda {
namespace {

__global__ void __launch_bounds__(kLossThreads)
    link_kernel(const lap_policy_loss_args args, const LossWork work) {
  for (int64_t k = thread_of_grid(); k < 2 * args.pair_count; k += threads_of_grid()) {
    const int64_t i = args.pairs[k];
    const PairNode node = static_cast<PairNode>(k);
    if (i >= 0 && i < args.sequences) work.nexts[k] = atomicExch(&work.heads[i], node);
  }
}

// Merges runs of `size` in turn, until one is left; the links are all that moves.
struct ListMerge {
  PairNode* nexts;
  PairNode head = kNoNode, tail = kNoNode;

  __device__ void append(PairNode node) {
    if (tail == kNoNode)
      head = node;
    else
      nexts[tail] = node;
    tail = node;
  }
  // The run of `size` from `left` with the run after it; returns what comes next.
  __device__ PairNode merge_runs(PairNode left, int64_t size) {
    PairNode right = left;
    int64_t left_size = 0, right_size = size;
    for (; left_size < size && right != kNoNode; ++left_size) right = nexts[right];
    while (left_size > 0 || (right_size > 0 && right != kNoNode)) {
      if (left_size == 0 || (right_size > 0 && right != kNoNode && right < left)) {
        append(right);
        right = nexts[right];
        --right_size;
      } else {
        append(left);
        left = nexts[left];
        --left_size;
      }
    }
    return right;
  }
};

__device__ PairNode sort_list(PairNode head, PairNode* nexts) {
  for (int64_t size = 1;; size *= 2) {
    ListMerge merge{nexts};
    int64_t merges = 0;
    for (PairNode rest = head; rest != kNoNode; ++merges) rest = merge.merge_runs(rest, size);
    if (merge.tail != kNoNode) nexts[merge.tail] = kNoNode;
    head = merge.head;
    if (merges <= 1) return head;
  }
}

__global__ void __launch_bounds__(kLossThreads)
    pulls_kernel(const lap_policy_loss_args args, const LossWork work) {
  if (is_refused(work, kBadLayout | kBadContents)) return;
  for (int64_t i = thread_of_grid(); i < args.sequences; i += threads_of_grid()) {
    Pull sum{0, 0, 0};
    for (PairNode node = sort_list(work.heads[i], work.nexts); node != kNoNode; node = work.nexts[node]) {
      const int64_t chosen = args.pairs[node & ~PairNode{1}], rejected = args.pairs[node | 1];
      const PairPull pair =
          pair_pull(args.objective, args.stats[chosen], args.stats[rejected], args.seq_scale[chosen]);
      if (pair.counts) add_pull(&sum, node % 2 == 0 ? pair.chosen : pair.rejected);
    }
    work.pulls[i] = sum;
  }
}

unsigned blocks_for(int64_t items) {
  constexpr int64_t kMost = 8192;
  const int64_t blocks = (items + kLossThreads - 1) / kLossThreads;
  return static_cast<unsigned>(blocks < kMost ? blocks : kMost);
}

}  // namespace

cudaError_t launch_pairs(const lap_policy_loss_args& args, const LossWork& work, cudaStream_t stream) {
  if (args.sequences == 0) return cudaSuccess;
  if (args.pair_count > 0) {
    LAP_LAUNCH(link_kernel, blocks_for(2 * args.pair_count), kLossThreads, 0, stream, args, work);
    const cudaError_t linked = cudaGetLastError();
    if (linked != cudaSuccess) return linked;
  }
  LAP_LAUNCH(pulls_kernel, blocks_for(args.sequences), kLossThreads, 0, stream, args, work);
  return cudaGetLastError();
}

}  // namespace lapidary::cuda
