// Student and teacher logits [T,V] -> a divergence per row and its gradient to the student. Floors at T =
// 8192, V = 152064, both bf16, on an H100: both read once and the gradient written once, 7.47 GB, 2.23 ms;
// six ex2 per logit pair, two in each of three passes, 2.0 ms. lse, value and gradient are passes over both
// rows, since a term that keeps the digits of a small divergence needs lse first: 17.4 GB where nothing is
// left in a cache, 5.8 ms at 3.0 TB/s. What bounds it as much is arithmetic: the three passes take 102
// instructions a pair for the forward KL, 92 for the reverse, 187 for JSD (counted in the SASS of sm_90,
// bf16, alike without a softcap), and at one a clock and lane 4.3, 3.9 and 7.9 ms. Hence one read of a row,
// held by a cluster as the token log-probs do it, could gain a fifth at most, and is not written.
#include "cuda/divergence.h"

#include "cuda/divergence_sums.cuh"
#include "cuda/row_launch.cuh"

namespace lapidary::cuda {
namespace {

constexpr int kPairThreads = 256;
// Blocks on a multiprocessor: the terms of JSD need more registers than three leave each other.
constexpr int pair_blocks(int kind) { return kind == LAP_DIVERGENCE_JSD ? 2 : 3; }

template <class Args>
__device__ __forceinline__ DivergenceRow pair_of(const Args& args, int64_t t, AnyRow* student,
                                                 AnyRow* teacher) {
  const auto at = [&](const void* data, lap_dtype dtype, int64_t stride) {
    const int64_t bytes = dtype == LAP_F32 ? 4 : 2;
    return AnyRow{static_cast<const char*>(data) + t * stride * bytes, dtype, args.vocab};
  };
  *student = at(args.student, args.student_dtype, args.student_stride);
  *teacher = at(args.teacher, args.teacher_dtype, args.teacher_stride);
  DivergenceRow row{};
  row.student = logit_row(student->data, student->dtype, args.student_transform, t);
  row.teacher = logit_row(teacher->data, teacher->dtype, args.teacher_transform, t);
  row.kind = args.kind;
  row.beta = args.beta;
  return row;
}

template <int kKind>
__global__ void __launch_bounds__(kPairThreads, pair_blocks(kKind))
    divergence_kernel(const lap_divergence_args args) {
  __shared__ DivergenceScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    double value = 0;
    if (args.mask == nullptr || args.mask[t] != 0) {
      AnyRow student, teacher;
      DivergenceRow row = pair_of(args, t, &student, &teacher);
      set_lse_of_both(&row, student, teacher, &scratch.stats);
      value = with_constants(divergence_entries<FloatMath>(row), [&](const auto& at) {
        return block_sums<kKind>(at, student, teacher, true, &scratch).value;
      });
    }
    if (threadIdx.x == 0) args.value[t] = static_cast<float>(value);
  }
}

template <int kKind>
struct StudentGradient {
  DivergenceEntries<FloatMath> at;
  float centre, scale;
  __device__ __forceinline__ float operator()(float x, float y) const {
    const auto entry = divergence_entry<FloatMath>(at, x, y);
    const float slope = divergence_slope<FloatMath, kKind>(at, entry, centre) * scale;
    if (!at.student.capped) return slope;
    return x == -INFINITY ? 0.f : slope * at.student.cap.slope(at.student.cap(x));
  }
};

// By groups of eight that lie on 16 bytes of the gradient. In place a thread reads what it then writes.
template <class Gradient>
__device__ __forceinline__ void write_student_gradient(const Gradient& gradient, const AnyRow& student,
                                                       const AnyRow& teacher, const AnyRowOut& out) {
  const auto write_one = [&](int64_t i) { out.one(i, gradient(student.one(i), teacher.one(i))); };
  const int64_t head = out.head(student.count), eights = (student.count - head) / kEight;
  for (int64_t i = threadIdx.x; i < head; i += blockDim.x) write_one(i);
  for (int64_t k = threadIdx.x; k < eights; k += blockDim.x) {
    const int64_t begin = head + k * kEight;
    float x[kEight], y[kEight];
    student.load(begin, true, x);
    teacher.load(begin, true, y);
#pragma unroll
    for (int i = 0; i < kEight; ++i) x[i] = gradient(x[i], y[i]);
    out.store(begin, x);
  }
  for (int64_t i = head + eights * kEight + threadIdx.x; i < student.count; i += blockDim.x) write_one(i);
}

template <int kKind>
__global__ void __launch_bounds__(kPairThreads, pair_blocks(kKind))
    divergence_gradient_kernel(const lap_divergence_with_gradient_args args) {
  __shared__ DivergenceScratch scratch;
  for (int64_t t = blockIdx.x; t < args.rows; t += gridDim.x) {
    const int64_t bytes = args.student_dtype == LAP_F32 ? 4 : 2;
    const AnyRowOut out{static_cast<char*>(args.dstudent) + t * args.dstudent_stride * bytes,
                        args.student_dtype};
    const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
    double value = 0;
    bool has_gradient = false;
    if (args.mask == nullptr || args.mask[t] != 0) {
      AnyRow student, teacher;
      DivergenceRow row = pair_of(args, t, &student, &teacher);
      set_lse_of_both(&row, student, teacher, &scratch.stats);
      const auto at = divergence_entries<FloatMath>(row);
      // Its barriers also say that every thread has read what it needs of rows that are overwritten below.
      const DivergenceSums sums = with_constants(
          at, [&](const auto& of) { return block_sums<kKind>(of, student, teacher, false, &scratch); });
      value = sums.value;
      has_gradient = weight != 0.f && !isnan(value);
      if (has_gradient) {
        set_gradient(&row, sums, weight);
        with_constants(at, [&](const auto& of) {
          write_student_gradient(StudentGradient<kKind>{of, row.centre, row.scale}, student, teacher, out);
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
  return with_kind(args.kind, [&](auto of) {
    const auto kernel = divergence_kernel<decltype(of)::kind>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), pair_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

cudaError_t divergence_with_gradient(const lap_divergence_with_gradient_args& args, cudaStream_t stream) {
  if (args.rows == 0) return cudaSuccess;
  return with_kind(args.kind, [&](auto of) {
    const auto kernel = divergence_gradient_kernel<decltype(of)::kind>;
    LAP_LAUNCH(kernel, row_blocks(args.rows), pair_threads(args.vocab), 0, stream, args);
    return cudaGetLastError();
  });
}

}  // namespace lapidary::cuda
