#include "cpu/divergence.h"

#include "capi/checks.h"
#include "capi/guarded.h"

namespace lapidary {
namespace {

Status named(const char* side, Status status) {
  if (status.code != LAP_OK) status.message = std::string(side) + "_" + status.message;
  return status;
}

template <class Args>
Status check_kind(const Args& args) {
  if (args.kind == LAP_DIVERGENCE_FORWARD_KL || args.kind == LAP_DIVERGENCE_REVERSE_KL) return ok_status();
  if (args.kind != LAP_DIVERGENCE_JSD)
    return invalid("kind is " + std::to_string(args.kind) + "; expected one of lap_divergence_kind");
  if (args.beta > 0 && args.beta < 1) return ok_status();
  return invalid("beta is " + std::to_string(args.beta) +
                 "; expected a number between 0 and 1, both excluded (the limits are the two KLs)");
}

template <class Args>
Status check_both(const Args* args, const char* name) {
  LAP_TRY(not_null(args, "args"));
  LAP_TRY(check_struct(args->struct_size, sizeof *args, name));
  LAP_TRY(check_kind(*args));
  LAP_TRY(in_range(args->rows, 0, "rows"));
  if (args->rows >= int64_t{1} << 48)
    return invalid("rows is " + std::to_string(args->rows) + "; expected less than 2^48");
  LAP_TRY(in_range(args->vocab, 1, "vocab"));
  if (args->vocab > INT32_MAX)
    return invalid("vocab is " + std::to_string(args->vocab) + "; expected less than 2^31");
  LAP_TRY(named("student", check_dtype(args->student_dtype)));
  LAP_TRY(named("teacher", check_dtype(args->teacher_dtype)));
  LAP_TRY(check_matrix(args->student, args->rows, args->vocab, args->student_stride, "student"));
  LAP_TRY(check_matrix(args->teacher, args->rows, args->vocab, args->teacher_stride, "teacher"));
  LAP_TRY(named("student", check_transform(args->student_transform, args->rows, true)));
  LAP_TRY(named("teacher", check_transform(args->teacher_transform, args->rows, true)));
  return args->rows > 0 ? not_null(args->value, "value") : ok_status();
}

Status check(const lap_divergence_with_gradient_args* args) {
  LAP_TRY(check_both(args, "lap_divergence_with_gradient_args"));
  LAP_TRY(check_matrix(args->dstudent, args->rows, args->vocab, args->dstudent_stride, "dstudent"));
  if (args->dstudent != args->student || args->dstudent_stride == args->student_stride) return ok_status();
  return invalid(
      "dstudent is the buffer of student with another row stride; expected the same stride in place");
}

}  // namespace
}  // namespace lapidary

using namespace lapidary;

lap_status lap_divergence(lap_context* ctx, const lap_divergence_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check_both(args, "lap_divergence_args"));
    return divergence(ctx->pool, *ctx->cpu, *args);
  });
}

lap_status lap_divergence_with_gradient(lap_context* ctx, const lap_divergence_with_gradient_args* args) {
  return guarded(ctx, [&]() -> Status {
    LAP_TRY(check(args));
    return divergence_with_gradient(ctx->pool, *ctx->cpu, *args);
  });
}
