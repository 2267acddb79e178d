// What the threads of a block have counted by token, in shared memory: it is touched once a tile, and
// registers hold the rest. A thread has its own column.
#pragma once

#include "cuda/launch.h"
#include "cuda/policy_loss_work.h"

namespace lapidary::cuda {

constexpr int kSums = 10, kCounts = 11;
// The row of a diagnostic; -1 where it is not among them.
__device__ __forceinline__ constexpr int sum_row(int diagnostic) {
  switch (diagnostic) {
    case LAP_DIAG_POLICY_LOSS:
      return 0;
    case LAP_DIAG_KL_LOSS:
      return 1;
    case LAP_DIAG_KL_VALUES:
      return 2;
    case LAP_DIAG_KL_K1_SUM:
      return 3;
    case LAP_DIAG_RATIO_SUM:
      return 4;
    case LAP_DIAG_PUSH_ABS:
      return 5;
    case LAP_DIAG_PULL_ABS:
      return 6;
    case LAP_DIAG_POSITIVE_LOGP:
      return 7;
    case LAP_DIAG_RELIEVED_LOGP:
      return 8;
    case LAP_DIAG_PENALISED_LOGP:
      return 9;
    default:
      return -1;
  }
}
__device__ __forceinline__ constexpr int count_row(int diagnostic) {
  switch (diagnostic) {
    case LAP_DIAG_TOKENS:
      return 0;
    case LAP_DIAG_CONSTRAINT_REVERSED:
      return 1;
    case LAP_DIAG_NON_FINITE:
      return 2;
    case LAP_DIAG_POSITIVE_TOKENS:
      return 3;
    case LAP_DIAG_RELIEVED_TOKENS:
      return 4;
    case LAP_DIAG_PENALISED_TOKENS:
      return 5;
    case LAP_DIAG_CLIPPED_LOW:
      return 6;
    case LAP_DIAG_CLIPPED_HIGH:
      return 7;
    case LAP_DIAG_CLIPPED_DUAL:
      return 8;
    case LAP_DIAG_RATIO_OVERFLOW:
      return 9;
    case LAP_DIAG_RATIO_TOKENS:
      return 10;
    default:
      return -1;
  }
}

struct Totals {
  double sums[kSums][kLossThreads];
  unsigned counts[kCounts][kLossThreads];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int k = 0; k < kSums; ++k) sums[k][threadIdx.x] = 0;
#pragma unroll
    for (int k = 0; k < kCounts; ++k) counts[k][threadIdx.x] = 0;
  }
  template <lap_diagnostic kDiagnostic>
  __device__ __forceinline__ void sum(double value) {
    constexpr int kRow = sum_row(kDiagnostic);
    sums[kRow][threadIdx.x] += value;
  }
  template <lap_diagnostic kDiagnostic>
  __device__ __forceinline__ void count(unsigned value) {
    constexpr int kRow = count_row(kDiagnostic);
    counts[kRow][threadIdx.x] += value;
  }
  // The thread's own; 0 of what is not here.
  __device__ __forceinline__ double of(int diagnostic) const {
    if (sum_row(diagnostic) >= 0) return sums[sum_row(diagnostic)][threadIdx.x];
    return count_row(diagnostic) >= 0 ? counts[count_row(diagnostic)][threadIdx.x] : 0;
  }
};

}  // namespace lapidary::cuda
