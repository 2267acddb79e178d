// Student and teacher logits [T,V] -> a divergence per row, and its gradient to the student. Each row is read
// from memory once: lse of both sides, the value and the gradient are passes over a row that the cache holds.
#include "cpu/divergence.h"

#include <cstring>

#include "cpu/element.h"
#include "objective/logit_math.h"

namespace lapidary {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double lse_of(const Implementation& cpu, const LogitRow& row, int64_t vocab) {
  const LogitStats stats = cpu.logit_stats(row, 0, vocab, false);
  if (!(stats.sum > 0) || !std::isfinite(stats.max)) return kNan;
  return stats.max + std::log(stats.sum);
}

void split(double value, float* high, float* low) {
  *high = static_cast<float>(value);
  *low = static_cast<float>(value - *high);
}

template <class Args>
DivergenceRow row_of(const Implementation& cpu, const Args& args, int64_t t) {
  DivergenceRow row{};
  const char* student = static_cast<const char*>(args.student);
  const char* teacher = static_cast<const char*>(args.teacher);
  row.student = logit_row(student + t * args.student_stride * element_size(args.student_dtype),
                          args.student_dtype, args.student_transform, t);
  row.teacher = logit_row(teacher + t * args.teacher_stride * element_size(args.teacher_dtype),
                          args.teacher_dtype, args.teacher_transform, t);
  row.kind = args.kind;
  row.beta = args.beta;
  const double student_lse = lse_of(cpu, row.student, args.vocab);
  const double teacher_lse = lse_of(cpu, row.teacher, args.vocab);
  split(student_lse * row.student.temperature, &row.student_high, &row.student_low);
  split(teacher_lse * row.teacher.temperature, &row.teacher_high, &row.teacher_low);
  split((student_lse - teacher_lse) * row.student.temperature, &row.gap_high, &row.gap_low);
  return row;
}

template <class Args>
bool kept(const Args& args, int64_t t) {
  return args.mask == nullptr || args.mask[t] != 0;
}

}  // namespace

Status divergence(ThreadPool& pool, const Implementation& cpu, const lap_divergence_args& args) {
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    if (!kept(args, t)) {
      args.value[t] = 0.f;
      return;
    }
    args.value[t] = static_cast<float>(cpu.divergence_sums(row_of(cpu, args, t), args.vocab).value);
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

Status divergence_with_gradient(ThreadPool& pool, const Implementation& cpu,
                                const lap_divergence_with_gradient_args& args) {
  const int64_t size = element_size(args.student_dtype);
  pool.parallel_for(args.rows, [&](int64_t t, int) {
    void* out = static_cast<char*>(args.dstudent) + t * args.dstudent_stride * size;
    const float weight = args.row_weights == nullptr ? 1.f : args.row_weights[t];
    args.value[t] = 0.f;
    if (kept(args, t)) {
      DivergenceRow row = row_of(cpu, args, t);
      const DivergenceSums sums = cpu.divergence_sums(row, args.vocab);
      args.value[t] = static_cast<float>(sums.value);
      if (weight != 0.f && std::isnan(sums.value)) {
        for (int64_t v = 0; v < args.vocab; ++v)
          store_element(out, args.student_dtype, v, static_cast<float>(kNan));
        return;
      }
      if (weight != 0.f) {
        const double centre = sums.first / sums.weight;
        row.centre = static_cast<float>(std::isfinite(centre) ? centre : kNan);
        row.scale = weight / row.student.temperature;
        return cpu.divergence_gradient(row, args.vocab, out);
      }
    }
    std::memset(out, 0, static_cast<size_t>(args.vocab * size));
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary
