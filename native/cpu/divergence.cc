// Student and teacher logits [T,V] -> a divergence per row, and its gradient to the student. Each row is read
// from memory once: lse of both sides, the value and the gradient are passes over a row that the cache holds.
#include "cpu/divergence.h"

#include <cmath>
#include <cstring>

#include "cpu/element.h"
#include "objective/logit_math.h"

namespace lapidary {
namespace {

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
  set_lse(&row, softmax_lse(cpu.logit_stats(row.student, 0, args.vocab, false)),
          softmax_lse(cpu.logit_stats(row.teacher, 0, args.vocab, false)));
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
        for (int64_t v = 0; v < args.vocab; ++v) store_element(out, args.student_dtype, v, std::nanf(""));
        return;
      }
      if (weight != 0.f) {
        set_gradient(&row, sums, weight);
        return cpu.divergence_gradient(row, args.vocab, out);
      }
    }
    std::memset(out, 0, static_cast<size_t>(args.vocab * size));
  });
  return pool.is_cancelled() ? cancelled() : ok_status();
}

}  // namespace lapidary
