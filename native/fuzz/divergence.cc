// Divergences between two tensors of logits, without and with the gradient.
#include "fuzz/input.h"

namespace lapidary::fuzz {
namespace {

template <class Args>
void fill(Input& in, Args* args) {
  args->struct_size = sizeof *args;
  args->kind = static_cast<lap_divergence_kind>(in.between(0, 2));
  args->beta = in.flip() ? 0.5f : in.any_float();
  args->rows = in.between(0, 5);
  args->vocab = in.between(1, 40);
  args->student_dtype = in.dtype();
  args->student_stride = args->vocab + in.between(0, 3);
  args->student = in.matrix(args->student_dtype, args->rows, args->student_stride, args->vocab);
  args->student_transform = in.transform(args->rows);
  args->teacher_dtype = in.dtype();
  args->teacher_stride = args->vocab + in.between(0, 3);
  args->teacher = in.matrix(args->teacher_dtype, args->rows, args->teacher_stride, args->vocab);
  args->teacher_transform = in.transform(args->rows);
  if (in.flip()) {
    uint8_t* mask = in.buffer<uint8_t>(args->rows);
    for (int64_t t = 0; t < args->rows; ++t) mask[t] = static_cast<uint8_t>(in.between(0, 2));
    args->mask = mask;
  }
  args->value = in.buffer<float>(args->rows);
}

template <class Args>
void spoil(Input& in, Args* args) {
  switch (in.between(0, 11)) {
    case 0:
      args->struct_size = static_cast<size_t>(in.between(0, INT64_MAX));
      break;
    case 1:
      args->kind = static_cast<lap_divergence_kind>(in.between(INT32_MIN, INT32_MAX));
      break;
    case 2:
      args->student_dtype = in.impossible_dtype();
      break;
    case 3:
      args->teacher_dtype = in.impossible_dtype();
      break;
    case 4:
      args->rows = -in.between(1, INT64_MAX);
      break;
    case 5:
      args->vocab = in.impossible_size();
      break;
    case 6:
      if (args->rows > 1) args->student_stride = in.impossible_size();
      break;
    case 7:
      if (args->rows > 1) args->teacher_stride = in.impossible_size();
      break;
    case 8:
      args->student = nullptr;
      break;
    case 9:
      args->teacher = nullptr;
      break;
    case 10:
      args->value = nullptr;
      break;
    default:
      args->rows = 0, args->student = args->teacher = nullptr;
  }
}

void forward(Input& in, lap_context* ctx) {
  lap_divergence_args args{};
  fill(in, &args);
  for (int64_t count = in.between(0, 2); count > 0; --count) spoil(in, &args);
  expect_answer(ctx, lap_divergence(ctx, &args));
}

void with_gradient(Input& in, lap_context* ctx) {
  lap_divergence_with_gradient_args args{};
  fill(in, &args);
  if (in.flip()) args.row_weights = in.floats(args.rows);
  args.dstudent_stride = args.vocab + in.between(0, 3);
  args.dstudent = in.matrix(args.student_dtype, args.rows, args.dstudent_stride, args.vocab);
  if (in.flip()) args.dstudent = const_cast<void*>(args.student), args.dstudent_stride = args.student_stride;
  const int64_t spoilt = in.between(0, 2);
  for (int64_t i = 0; i < spoilt; ++i) spoil(in, &args);
  if (spoilt > 0 && in.flip() && args.rows > 1) args.dstudent_stride = in.impossible_size();
  if (spoilt > 0 && in.flip()) args.dstudent = nullptr;
  expect_answer(ctx, lap_divergence_with_gradient(ctx, &args));
}

}  // namespace
}  // namespace lapidary::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lapidary::fuzz;
  Input in(data, size);
  lap_context* ctx = context(in.flip());
  in.flip() ? forward(in, ctx) : with_gradient(in, ctx);
  return 0;
}
