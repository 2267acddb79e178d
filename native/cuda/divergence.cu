// Student and teacher logits [T,V] -> a divergence per row and its gradient to the student. Floors at T =
// 8192, V = 152064, both bf16, on an H100: both read once and the gradient written once, 7.47 GB, 2.23 ms;
// six ex2 per logit pair, two in each of three passes, 2.0 ms. lse, value and gradient are passes over both
// rows, since a term that keeps the digits of a small divergence needs lse first: from memory 17.4 GB where
// nothing is left in a cache, 5.8 ms at 3.0 TB/s. Arithmetic bounds it as much: the three passes take 102
// instructions a pair for the forward KL, 92 for the reverse, 187 for JSD (counted in the SASS of sm_90,
// bf16, alike without a softcap); at one a clock and lane that is 4.3, 3.9 and 7.9 ms. So rows of the first
// two are read once where shared memory holds them (divergence_staged.cu), and all others three times.
#include "cuda/divergence.h"

#include "cuda/divergence_pair.cuh"
#include "cuda/divergence_staged.h"
#include "cuda/row_launch.cuh"

namespace lapidary::cuda {
namespace {

// Blocks on a multiprocessor: the terms of JSD need more registers than three leave each other.
constexpr int pair_blocks(int kind) { return kind == LAP_DIVERGENCE_JSD ? 2 : 3; }

template <int kKind>
__global__ void __launch_bounds__(kPairThreads, pair_blocks(kKind))
    divergence_kernel(const lap_divergence_args args) {
  __shared__ DivergenceScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    double value = 0;
    if (args.mask == nullptr || args.mask[t] != 0) {
      AnyRow student, teacher;
      DivergenceRow row = pair_of(args, t, &student, &teacher);
      set_lse_of_both(&row, stats_of_both(row, student, teacher, &scratch));
      value = with_constants(divergence_entries<FloatMath>(row), [&](const auto& at) {
        return block_sums<kKind>(at, student, teacher, true, &scratch).value;
      });
    }
    if (threadIdx.x == 0) args.value[t] = static_cast<float>(value);
  }
}

template <int kKind>
__global__ void __launch_bounds__(kPairThreads, pair_blocks(kKind))
    divergence_gradient_kernel(const lap_divergence_with_gradient_args args) {
  __shared__ DivergenceScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    const AnyRowOut out = gradient_of(args, t);
    const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
    double value = 0;
    bool has_gradient = false;
    if (args.mask == nullptr || args.mask[t] != 0) {
      AnyRow student, teacher;
      DivergenceRow row = pair_of(args, t, &student, &teacher);
      set_lse_of_both(&row, stats_of_both(row, student, teacher, &scratch));
      const auto at = divergence_entries<FloatMath>(row);
      // Its barriers also say that every thread has read what it needs of rows that are overwritten below.
      const DivergenceSums sums = with_constants(
          at, [&](const auto& of) { return block_sums<kKind>(of, student, teacher, false, &scratch); });
      value = sums.value;
      has_gradient = weight != 0.f && !isnan(value);
      if (has_gradient) {
        set_gradient(&row, sums, weight);
        with_constants(at, [&](const auto& of) {
          const StudentGradient<kKind> gradient{of, row.centre, row.scale};
          write_student_gradient(gradient, student, teacher, true, out);
        });
      }
    }
    if (!has_gradient) out.fill(weight != 0.f && isnan(value) ? nanf("") : 0.f, args.vocab);
    if (threadIdx.x == 0) args.value[t] = static_cast<float>(value);
  }
}

template <int kKind>
struct OfKind {
  static constexpr int kind = kKind;
};
template <class Use>
cudaError_t with_kind(lap_divergence_kind kind, Use use) {
  switch (kind) {
    case LAP_DIVERGENCE_FORWARD_KL:
      return use(OfKind<LAP_DIVERGENCE_FORWARD_KL>{});
    case LAP_DIVERGENCE_REVERSE_KL:
      return use(OfKind<LAP_DIVERGENCE_REVERSE_KL>{});
    default:
      return use(OfKind<LAP_DIVERGENCE_JSD>{});
  }
}

unsigned pair_threads(int64_t vocab) {
  const unsigned threads = row_threads(vocab);
  return threads < kPairThreads ? threads : kPairThreads;
}

}  // namespace

cudaError_t divergence(const lap_divergence_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  bool launched = false;
  const cudaError_t error = divergence_staged(args, stream, &launched);
  if (error != cudaSuccess || launched) return error;
  return with_kind(args.kind, [&](auto of) {
    const auto kernel = divergence_kernel<decltype(of)::kind>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), pair_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

cudaError_t divergence_with_gradient(const lap_divergence_with_gradient_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  bool launched = false;
  const cudaError_t error = divergence_with_gradient_staged(args, stream, &launched);
  if (error != cudaSuccess || launched) return error;
  return with_kind(args.kind, [&](auto of) {
    const auto kernel = divergence_gradient_kernel<decltype(of)::kind>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), pair_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

}  // namespace lapidary::cuda
