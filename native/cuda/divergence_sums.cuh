// A block's passes over two rows of logits: the lse of both, and the sums of the divergence's terms.
// Which thread adds up which elements is a matter of their index alone.
#pragma once

#include "cuda/logit_stats.cuh"
#include "cuda/paired_rows.cuh"
#include "objective/divergence_row.h"

namespace lapidary::cuda {

// The softcap of one side; softcap (1 - tanh^2) is the slope.
struct FloatCap {
  float bound, inverse;
  explicit __device__ __forceinline__ FloatCap(float softcap) : bound(softcap), inverse(1.f / softcap) {}
  __device__ __forceinline__ float operator()(float x) const {
    return x == -INFINITY ? x : bound * tanhf(x * inverse);
  }
  __device__ __forceinline__ float slope(float capped) const {
    const float share = capped * inverse;
    return (1.f - share) * (1.f + share);
  }
};

struct FloatMath {
  using Number = float;
  using Cap = FloatCap;
  static __device__ __forceinline__ float magnitude(float x) { return fabsf(x); }
  static __device__ __forceinline__ float multiply_add(float a, float b, float c) { return fmaf(a, b, c); }
  static __device__ __forceinline__ float exp2(float x) { return exp2_fast(x); }
  static __device__ __forceinline__ float probability(float power) { return exp2_fast(power); }
  // log(y), y = 1 + x in (0, 1]: 2 atanh(f / (2 + f)) of the mantissa 1 + f in [sqrt(1/2), sqrt(2)). The CUDA
  // library's has a branch for what is not in that range.
  static __device__ __forceinline__ float log1p(float x, float y) {
    int32_t bits;
    memcpy(&bits, &y, sizeof bits);
    const int32_t exponent = (bits - 0x3f3504f3) >> 23, rest = bits - (exponent << 23);
    float mantissa;
    memcpy(&mantissa, &rest, sizeof mantissa);
    const float f = exponent == 0 ? x : mantissa - 1.f;
    const float s = divide_fast(f, 2.f + f), square = s * s;
    float p = 2.f / 9;
    p = fmaf(p, square, 2.f / 7);
    p = fmaf(p, square, 2.f / 5);
    p = fmaf(p, square, 2.f / 3);
    p = fmaf(p, square, 2.f);
    return fmaf(static_cast<float>(exponent), 0.6931471805599453f, p * s);
  }
};

#define LAP_TERM __device__ __forceinline__
#include "objective/divergence_term.inc"
#undef LAP_TERM

// Calls `use` with what holds for a whole row as constants, so that its entries need no branches: whether
// there is a softcap, and without one whether both sides have the same temperature.
template <class Use>
__device__ __forceinline__ auto with_constants(const DivergenceEntries<FloatMath>& at, const Use& use) {
  if (at.student.capped || at.teacher.capped) return use(at);
  DivergenceEntries<FloatMath> plain = at;
  plain.student.capped = plain.teacher.capped = false;
  if (at.alike) {
    plain.alike = true;
    return use(plain);
  }
  plain.alike = false;
  return use(plain);
}

// The transform of a row that may have a softcap or not.
struct AnyTransform {
  float scale, softcap, inverse_softcap;
  explicit __device__ __forceinline__ AnyTransform(const LogitRow& row)
      : scale(static_cast<float>(1.4426950408889634 / row.temperature)),
        softcap(row.softcap),
        inverse_softcap(row.softcap != 0.f ? 1.f / row.softcap : 0.f) {}
  __device__ __forceinline__ float cap(float x) const {
    if (softcap == 0.f || x == -INFINITY) return x;
    return softcap * tanhf(x * inverse_softcap);
  }
};

constexpr int kPairThreads = 256, kPairWarps = kPairThreads / 32;

// In turns: each use ends with a barrier.
union DivergenceScratch {
  StatsScratchOf<kPairWarps> stats;
  struct {
    double values[kPairWarps], firsts[kPairWarps], weights[kPairWarps];
  } sums;
};

struct BothStats {
  LogitStats student, teacher;
};

template <class Transform>
__device__ __forceinline__ BothStats stats_under(const DivergenceRow& row, const AnyRow& student,
                                                 const AnyRow& teacher, const Transform& of_student,
                                                 const Transform& of_teacher, DivergenceScratch* scratch) {
  ThreadStats<false> own, others;
  const int64_t eights = student.count / kEight;
  for (int64_t k = threadIdx.x; k < eights; k += blockDim.x) {
    float x[kEight], y[kEight];
    student.load(k * kEight, false, x);
    teacher.load(k * kEight, false, y);
    add_values<kEight>(x, k * kEight, of_student, &own);
    add_values<kEight>(y, k * kEight, of_teacher, &others);
  }
  for (int64_t i = eights * kEight + threadIdx.x; i < student.count; i += blockDim.x) {
    float x[1] = {student.one(i)}, y[1] = {teacher.one(i)};
    add_values<1>(x, i, of_student, &own);
    add_values<1>(y, i, of_teacher, &others);
  }
  return {join_stats(own, of_student.scale, row.student.temperature, false, &scratch->stats),
          join_stats(others, of_teacher.scale, row.teacher.temperature, false, &scratch->stats)};
}
// Of the two rows, or of the parts of them that a block has.
__device__ __forceinline__ BothStats stats_of_both(const DivergenceRow& row, const AnyRow& student,
                                                   const AnyRow& teacher, DivergenceScratch* scratch) {
  if (row.student.softcap == 0.f && row.teacher.softcap == 0.f)
    return stats_under(row, student, teacher, transform_of<false>(row.student),
                       transform_of<false>(row.teacher), scratch);
  return stats_under(row, student, teacher, AnyTransform(row.student), AnyTransform(row.teacher), scratch);
}
__device__ __forceinline__ void set_lse_of_both(DivergenceRow* row, const BothStats& of) {
  set_lse(row, softmax_lse(of.student), softmax_lse(of.teacher));
}

// Eight terms are added up in f32, and what they give in f64: a small divergence keeps its digits however
// long the row.
template <int kKind>
__device__ __forceinline__ DivergenceSums block_sums(const DivergenceEntries<FloatMath>& at,
                                                     const AnyRow& student, const AnyRow& teacher,
                                                     bool is_last, DivergenceScratch* scratch) {
  DivergenceSums sums{0, 0, 0};
  const auto add = [&](const DivergenceTerms<FloatMath>& terms) {
    sums.value += static_cast<double>(terms.value);
    sums.first += static_cast<double>(terms.first);
    sums.weight += static_cast<double>(terms.weight);
  };
  const int64_t eights = student.count / kEight;
  for (int64_t k = threadIdx.x; k < eights; k += blockDim.x) {
    float x[kEight], y[kEight];
    student.load(k * kEight, is_last, x);
    teacher.load(k * kEight, is_last, y);
    DivergenceTerms<FloatMath> sum{0.f, 0.f, 0.f};
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      const auto terms = divergence_terms<FloatMath, kKind>(at, divergence_entry<FloatMath>(at, x[i], y[i]));
      sum = {sum.value + terms.value, sum.first + terms.first, sum.weight + terms.weight};
    }
    add(sum);
  }
  for (int64_t i = eights * kEight + threadIdx.x; i < student.count; i += blockDim.x) {
    const auto entry = divergence_entry<FloatMath>(at, student.one(i), teacher.one(i));
    add(divergence_terms<FloatMath, kKind>(at, entry));
  }
  return {block_reduce(sums.value, scratch->sums.values, Add()),
          block_reduce(sums.first, scratch->sums.firsts, Add()),
          block_reduce(sums.weight, scratch->sums.weights, Add())};
}

}  // namespace lapidary::cuda
