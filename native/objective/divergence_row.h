// What a divergence of two rows of logits needs to know of them before it looks at single entries; shared by
// the backends.
#pragma once

#include <math.h>

#include "core/numerics.h"
#include "objective/logit_row.h"

namespace lapidary {

// A row of the student and one of the teacher. lse comes times the temperature, as the sum of two floats, and
// so does the difference of the two where the rows are transformed alike.
struct DivergenceRow {
  LogitRow student, teacher;
  lap_divergence_kind kind;
  float beta;
  float student_high, student_low, teacher_high, teacher_low;
  float gap_high, gap_low;  // (lse_student - lse_teacher) * temperature
  // Of the gradient: `centre` is the mean that makes its entries add up to 0, `scale` multiplies them.
  float centre, scale;
};

// centre = first / weight.
struct DivergenceSums {
  double value, first, weight;
};

LAP_HD void split_in_floats(double value, float* high, float* low) {
  *high = static_cast<float>(value);
  *low = static_cast<float>(value - *high);
}

// NaN for a row that is no distribution: NaN or +inf in it, or nothing but -inf.
LAP_HD double softmax_lse(const LogitStats& stats) {
  if (!(stats.sum > 0) || !isfinite(stats.max)) return static_cast<double>(nanf(""));
  return stats.max + log(stats.sum);
}

LAP_HD void set_lse(DivergenceRow* row, double student_lse, double teacher_lse) {
  split_in_floats(student_lse * row->student.temperature, &row->student_high, &row->student_low);
  split_in_floats(teacher_lse * row->teacher.temperature, &row->teacher_high, &row->teacher_low);
  split_in_floats((student_lse - teacher_lse) * row->student.temperature, &row->gap_high, &row->gap_low);
}

LAP_HD void set_gradient(DivergenceRow* row, const DivergenceSums& sums, float weight) {
  const double centre = sums.first / sums.weight;
  row->centre = isfinite(centre) ? static_cast<float>(centre) : nanf("");
  row->scale = weight / row->student.temperature;
}

}  // namespace lapidary
