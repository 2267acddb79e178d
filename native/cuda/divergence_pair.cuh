// The rows of a divergence's arguments, and the gradient of one pair of them.
#pragma once

#include "cuda/divergence_sums.cuh"

namespace lapidary::cuda {

template <class Args>
__device__ __forceinline__ DivergenceRow pair_of(const Args& args, int64_t t, AnyRow* student,
                                                 AnyRow* teacher) {
  const auto at = [&](const void* data, lap_dtype dtype, int64_t stride) {
    const auto* rows = static_cast<const char*>(data);
    return AnyRow{rows + t * stride * element_bytes(dtype), dtype, args.vocab};
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

// The student's gradient of row t, from its first element on.
template <class Args>
__device__ __forceinline__ AnyRowOut gradient_of(const Args& args, int64_t t) {
  const int64_t bytes = t * args.dstudent_stride * element_bytes(args.student_dtype);
  return {static_cast<char*>(args.dstudent) + bytes, args.student_dtype};
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
// `is_last`: the rows lie in global memory, and nobody reads them again soon.
template <class Gradient>
__device__ __forceinline__ void write_student_gradient(const Gradient& gradient, const AnyRow& student,
                                                       const AnyRow& teacher, bool is_last,
                                                       const AnyRowOut& out) {
  const auto write_one = [&](int64_t i) { out.one(i, gradient(student.one(i), teacher.one(i))); };
  const int64_t head = out.head(student.count), eights = (student.count - head) / kEight;
  for (int64_t i = threadIdx.x; i < head; i += blockDim.x) write_one(i);
  for (int64_t k = threadIdx.x; k < eights; k += blockDim.x) {
    const int64_t begin = head + k * kEight;
    float x[kEight], y[kEight];
    student.load(begin, is_last, x);
    teacher.load(begin, is_last, y);
#pragma unroll
    for (int i = 0; i < kEight; ++i) x[i] = gradient(x[i], y[i]);
    out.store(begin, x);
  }
  for (int64_t i = head + eights * kEight + threadIdx.x; i < student.count; i += blockDim.x) write_one(i);
}

}  // namespace lapidary::cuda
