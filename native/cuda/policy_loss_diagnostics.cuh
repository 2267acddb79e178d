// The diagnostics: each thread's own over all it has done, then a block's, then a group's of blocks, then the
// batch's, always in the same order. The blocks are as many and do the same on every run, so the sums have
// the same bits.
#pragma once

#include "cuda/block_reduce.cuh"
#include "cuda/policy_loss_work.h"
#include "objective/policy_map.h"

namespace lapidary::cuda {

// The others are counted by token.
__device__ __forceinline__ bool is_of_sequences(int diagnostic) {
  switch (diagnostic) {
    case LAP_DIAG_SEQUENCE_LOSS:
    case LAP_DIAG_SEQUENCES:
    case LAP_DIAG_S_SUM:
    case LAP_DIAG_S_SQUARES:
    case LAP_DIAG_S_MAX_ABS:
      return true;
    default:
      return diagnostic >= LAP_DIAG_POSITIVE_SEQUENCES && diagnostic <= LAP_DIAG_PAIRS_RIGHT;
  }
}

__device__ __forceinline__ double warp_merge(double value, int d) {
#pragma unroll
  for (int step = 16; step > 0; step /= 2)
    merge_diagnostic(&value, __shfl_xor_sync(kAllLanes, value, step), d);
  return value;
}

// Those of one kind into the warp's row of the block's table.
template <bool kOfSequences>
__device__ __forceinline__ void reduce_warp(const double (&own)[LAP_DIAG_COUNT], double* row) {
#pragma unroll
  for (int d = 1; d < LAP_DIAG_COUNT; ++d) {  // the whole loss is made of the others
    if (is_of_sequences(d) != kOfSequences) continue;
    const double value = warp_merge(own[d], d);
    if (threadIdx.x % 32 == 0) row[d] = value;
    // One after the other: all at once would need more registers.
    __syncwarp();
  }
}

// One diagnostic over `count` records, from memory that other multiprocessors have written.
__device__ __forceinline__ double merge_records(const double* records, int64_t count, int d) {
  const bool extremum = is_extremum(d);
  double total = 0;
#pragma unroll 16
  for (int64_t k = 0; k < count; ++k) {
    const double part = __ldcg(records + k * LAP_DIAG_COUNT + d);
    total = extremum ? larger(total, part) : total + part;
  }
  return total;
}

// True in the last of `expected` blocks to come here, to which all that the others wrote before is visible.
__device__ __forceinline__ bool is_last_block(unsigned* counter, unsigned expected) {
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) is_last = atomicAdd(counter, 1u) + 1 == expected;
  __syncthreads();
  const bool result = is_last;
  if (result) __threadfence();
  return result;
}

// Of the whole block: its table of warps to the batch's diagnostics, as far as it is the last to come.
__device__ __forceinline__ void merge_block(const lap_policy_loss_args& args, const LossWork& work,
                                            double (&table)[kLossWarps][LAP_DIAG_COUNT]) {
  const int d = static_cast<int>(threadIdx.x);
  const bool has_one = d > 0 && d < LAP_DIAG_COUNT;
  __syncthreads();
  if (has_one) {
    double total = table[0][d];
    for (int w = 1; w < kLossWarps; ++w) merge_diagnostic(&total, table[w][d], d);
    work.records[static_cast<int64_t>(blockIdx.x) * LAP_DIAG_COUNT + d] = total;
  }
  const unsigned group = blockIdx.x / kGroupBlocks, first = group * kGroupBlocks;
  const unsigned members = work.blocks - first < kGroupBlocks ? work.blocks - first : kGroupBlocks;
  if (!is_last_block(&work.merged[group], members)) return;
  if (has_one)
    work.group_records[static_cast<int64_t>(group) * LAP_DIAG_COUNT + d] =
        merge_records(work.records + static_cast<int64_t>(first) * LAP_DIAG_COUNT, members, d);
  if (!is_last_block(&work.merged[work.groups], work.groups)) return;
  if (has_one) table[0][d] = args.diagnostics[d] = merge_records(work.group_records, work.groups, d);
  __syncthreads();
  if (d == 0) {
    args.diagnostics[LAP_DIAG_LOSS] =
        table[0][LAP_DIAG_POLICY_LOSS] + table[0][LAP_DIAG_KL_LOSS] + table[0][LAP_DIAG_SEQUENCE_LOSS];
  }
}

}  // namespace lapidary::cuda
