// Checks of the divergences' arguments, for both backends. `contents`: look at what the pointers hold too,
// which only the host can where they are the host's.
#pragma once

#include "capi/checks.h"

namespace lapidary {

inline Status check_side(const char* side, Status status) {
  if (status.code != LAP_OK) status.message = std::string(side) + "_" + status.message;
  return status;
}

template <class Args>
Status check_divergence_kind(const Args& args) {
  if (args.kind == LAP_DIVERGENCE_FORWARD_KL || args.kind == LAP_DIVERGENCE_REVERSE_KL) return ok_status();
  if (args.kind != LAP_DIVERGENCE_JSD)
    return invalid("kind is " + std::to_string(args.kind) + "; expected one of lap_divergence_kind");
  if (args.beta > 0 && args.beta < 1) return ok_status();
  return invalid("beta is " + std::to_string(args.beta) +
                 "; expected a number between 0 and 1, both excluded (the limits are the two KLs)");
}

template <class Args>
Status check_both_rows(const Args* args, const char* name, bool contents) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, name));
  LAP_TRY(check_divergence_kind(*args));
  LAP_TRY(in_range(args->rows, 0, "rows"));
  if (args->rows >= int64_t{1} << 48)
    return invalid("rows is " + std::to_string(args->rows) + "; expected less than 2^48");
  LAP_TRY(in_range(args->vocab, 1, "vocab"));
  if (args->vocab > INT32_MAX)
    return invalid("vocab is " + std::to_string(args->vocab) + "; expected less than 2^31");
  LAP_TRY(check_side("student", check_dtype(args->student_dtype)));
  LAP_TRY(check_side("teacher", check_dtype(args->teacher_dtype)));
  LAP_TRY(check_matrix(args->student, args->rows, args->vocab, args->student_stride, "student"));
  LAP_TRY(check_matrix(args->teacher, args->rows, args->vocab, args->teacher_stride, "teacher"));
  LAP_TRY(check_side("student", check_transform(args->student_transform, args->rows, contents)));
  LAP_TRY(check_side("teacher", check_transform(args->teacher_transform, args->rows, contents)));
  return args->rows > 0 ? not_null(args->value, "value") : ok_status();
}

inline Status check_divergence(const lap_divergence_args* args, bool contents) {
  return check_both_rows(args, "lap_divergence_args", contents);
}

inline Status check_divergence(const lap_divergence_with_gradient_args* args, bool contents) {
  LAP_TRY(check_both_rows(args, "lap_divergence_with_gradient_args", contents));
  LAP_TRY(check_matrix(args->dstudent, args->rows, args->vocab, args->dstudent_stride, "dstudent"));
  if (args->dstudent != args->student || args->dstudent_stride == args->student_stride) return ok_status();
  return invalid(
      "dstudent is the buffer of student with another row stride; expected the same stride in place");
}

}  // namespace lapidary
